#include "models/training_events.h"

namespace palimpsest {

Speed TrainingEvents::speed_of(const Sum& sum) const {
  if (sum.seconds <= 0) return {};
  const double images = static_cast<double>(sum.steps * options_.batch) / sum.seconds;
  return {images, options_.floor > 0 ? images * options_.flops_per_image / options_.floor : 0,
          sum.waited / sum.seconds};
}

void TrainingEvents::step(const StepFacts& facts) {
  for (Sum* sum : {&all_, &since_}) {
    ++sum->steps;
    sum->seconds += facts.seconds;
    sum->waited += facts.waited;
  }
  if (facts.step % options_.every != 0) return;
  const Speed speed = speed_of(since_);
  since_ = {};
  file_.scalar(facts.step, "loss/training", facts.loss);
  file_.scalar(facts.step, "learning rate", facts.learning_rate);
  file_.scalar(facts.step, "gradient norm", facts.gradient_norm);
  file_.scalar(facts.step, "speed/images per second", speed.images_per_second);
  file_.scalar(facts.step, "speed/share of the floor", speed.share_of_floor);
  file_.scalar(facts.step, "speed/share of time waiting for images", speed.waited_share);
  file_.flush();
}

void TrainingEvents::validation(std::int64_t step, double loss) {
  file_.scalar(step, "loss/validation", loss);
  file_.flush();
}

void TrainingEvents::pictures(std::int64_t step, const Image& grid) {
  file_.image(step, "pictures", grid);
  file_.flush();
}

}  // namespace palimpsest
