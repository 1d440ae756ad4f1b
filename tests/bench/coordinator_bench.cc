// What a coordinator costs as its workers get more: what tests/bench/simulation.sh prints. The messages are real, decoded and encoded as they come and
// go; so are the events and the ledger, on disk. The workers and the network are lines in a queue: each computes packs of four runs that take a minute,
// reports 20 kB a run, and shows that it lives as often as launch/peer_clock.h says. What MPI itself takes for a message comes on top.
//   coordinator_bench FOLDER WORKERS...      the ledgers are written under FOLDER

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <queue>

#include <fmt/format.h>

#include "launch/peer_clock.h"
#include "launch/wire.h"
#include "sweeps/plan.h"
#include "tests/simulation_world.h"

namespace palimpsest {
namespace {

constexpr int kRunsOfPack = 4, kMetrics = 16, kPassesASecond = 200, kPassesOfAGathering = 4;
constexpr double kPackSeconds = 60, kLatency = 1e-4, kEnough = 120'000;   // workers times seconds that are looked at
constexpr std::array<const char*, 4> kParts = {"decoding", "events", "ledger", "encoding"};

// Seconds that this thread computed, by what for.
class Meter {
 public:
  template <class F>
  void during(std::size_t part, F work) {
    const double begin = now();
    work();
    seconds_[part] += now() - begin;
  }
  double operator[](std::size_t part) const { return seconds_[part]; }
  double sum() const { return seconds_[0] + seconds_[1] + seconds_[2] + seconds_[3]; }

 private:
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  std::array<double, 4> seconds_{};
};

std::vector<std::string> numbers(int count) {
  std::vector<std::string> labels;
  for (int i = 0; i < count; ++i) labels.push_back(std::to_string(i));
  return labels;
}

// 4,992 numbers, as a familiarity run of depth 12 has.
std::vector<Measurement> measured() {
  std::vector<Measurement> all;
  for (int m = 0; m < kMetrics; ++m)
    all.push_back({fmt::format("metric.{}", m), {{"epoch", numbers(6)}, {"layer", numbers(13)}, {"noise", numbers(4)}}, std::vector<float>(6 * 13 * 4, 0.5f)});
  return all;
}

struct Letter {
  int worker;
  std::string bytes;
};

struct Computed {            // a run, at a worker
  double at;
  int worker;
  std::int64_t pack, run;
  bool last;
  bool operator>(const Computed& other) const { return at > other.at; }
};

class Measuring {
 public:
  Measuring(const std::filesystem::path& folder, int workers)
      : workers_(workers),
        seconds_(std::clamp(kEnough / workers, 2.0, kPackSeconds)),
        plan_(read_definition_text(fmt::format("study = \"planted\"\nname = \"many\"\n[sweep]\nimage_sets = {}\nseeds = {}\n", sets(), kRunsOfPack), "many.toml")),
        ledger_(Ledger::open_for_writing(folder)) {
    ledger_.record_definition(plan_, RunSet::below(plan_.size()), {});
    coordinator_ = coordinate(backlog());
  }

  void run() {
    for (int w = 0; w < workers_; ++w) on_worker_ready(coordinator_, {w}, {"node", "cpu", w, {}}, 0, outbox_);
    write();
    for (const Effect& effect : std::exchange(effects_, {})) begin(std::get<Assignment>(effect), draws_.between(0, kPackSeconds / kRunsOfPack));
    meter_ = {};
    for (int pass = 0; pass < seconds_ * kPassesASecond; ++pass) step(pass);
    print();
  }

 private:
  int sets() const { return static_cast<int>(workers_ * (1.1 + 1.1 * seconds_ / kPackSeconds)) + 2; }

  // The first pack of each worker is what is left of one.
  Backlog backlog() {
    Backlog backlog{[this](std::int64_t run) { return names_.id_at(run); }, {}, {}, 1, workers_};
    for (std::int64_t run = 0; run < plan_.size();) {
      const int size = std::ssize(backlog.packs) < workers_ ? 1 + draws_.below(kRunsOfPack) : kRunsOfPack;
      Pack& pack = backlog.packs.emplace_back();
      for (int i = 0; i < size && run < plan_.size(); ++i) pack.runs.push_back(run++);
    }
    return backlog;
  }

  void step(int pass) {
    now_ = static_cast<double>(pass) / kPassesASecond;
    const std::vector<Letter> letters = mail(pass);
    std::vector<FromWorker> messages;
    meter_.during(0, [&] { for (const Letter& letter : letters) messages.push_back(from_worker(letter.bytes)); });
    meter_.during(1, [&] {
      for (std::size_t i = 0; i < letters.size(); ++i) std::visit([&](auto& one) { on(letters[i].worker, one); }, messages[i]);
      if (pass % kPassesASecond == 0) on_time_passed(coordinator_, now_, outbox_);
      if (pass % (kPassesASecond / 10) == 0) runs_worth_done(coordinator_);
    });
    if (pass % kPassesOfAGathering == 0 || !few_wait(coordinator_, outbox_)) meter_.during(2, [&] { write(); });
    std::vector<std::string> replies;
    meter_.during(3, [&] {
      for (const Effect& effect : effects_) replies.push_back(order(std::get<Assignment>(effect)));
      for (; answers_ > 0; --answers_) replies.push_back(encode(FromCoordinator(Answer{})));
    });
    for (const Effect& effect : std::exchange(effects_, {})) begin(std::get<Assignment>(effect), 0);
    for (const Letter& letter : letters) count(letter.bytes);
    for (const std::string& reply : replies) count(reply);
  }

  // What came since the last pass.
  std::vector<Letter> mail(int pass) {
    std::vector<Letter> letters;
    for (; !computed_.empty() && computed_.top().at <= now_; computed_.pop()) {
      const Computed& one = computed_.top();
      RunReports reports{{one.pack}, {{plan_.run_at(one.run).id, {}, measured_, {}, kPackSeconds / kRunsOfPack}}};
      letters.push_back({one.worker, encode(FromWorker(std::move(reports)))});
      ++runs_;
      if (!one.last) continue;
      letters.push_back({one.worker, encode(FromWorker(Left{{one.pack}, Leaving::kEnded}))});
      ++packs_;
    }
    for (int w = pass % beat_passes_; w < workers_; w += beat_passes_)
      if (const auto& pack = coordinator_.workers.at({w}).pack) letters.push_back({w, encode(FromWorker(Beat{*pack, draws_.uniform()}))});
    return letters;
  }

  void on(int worker, RunReports& reports) {
    for (RunResult& result : reports.results) on_run_finished(coordinator_, {worker}, reports.pack, std::move(result), now_, outbox_);
  }
  void on(int worker, const Left& left) { on_pack_left(coordinator_, {worker}, left.pack, left.leaving, now_, outbox_); }
  void on(int worker, const Beat& beat) {
    on_progress(coordinator_, {worker}, beat.pack, beat.share);
    ++answers_;
  }
  void on(int, const auto&) {}

  void write() {
    std::vector<LedgerEntry> entries;
    for (Effect& effect : std::exchange(outbox_.effects, {})) {
      if (auto* entry = std::get_if<LedgerEntry>(&effect)) entries.push_back(std::move(*entry));
      else effects_.push_back(std::move(effect));
    }
    if (!entries.empty()) ledger_.commit(entries);
  }

  std::string order(const Assignment& assignment) {
    PackOrder order{assignment.pack, {}, assignment.together};
    for (const std::int64_t run : assignment.runs) order.runs.push_back(maker_.run_at(run));
    return encode(FromCoordinator(std::move(order)));
  }

  void begin(const Assignment& assignment, double ahead) {
    double at = now_ + kLatency - ahead;
    for (const std::int64_t run : assignment.runs) {
      at += kPackSeconds / kRunsOfPack * std::exp(0.2 * draws_.normal() - 0.02);
      computed_.push({at + kLatency, static_cast<int>(assignment.worker.value), assignment.pack.value, run, run == assignment.runs.back()});
    }
  }

  void count(const std::string& bytes) { ++messages_, bytes_ += bytes.size(); }

  void print() const {
    std::string parts;
    for (std::size_t part = 0; part < kParts.size(); ++part) parts += fmt::format(", {} {:.2f} %", kParts[part], 100 * meter_[part] / seconds_);
    fmt::print("{:>7} workers: {:5.1f} % of a core{}; {:.0f} packs and {:.0f} runs a second, {:.0f} messages a pack, {:.1f} kB a run; 50 % at {:.0f} workers\n", workers_,
               100 * meter_.sum() / seconds_, parts, static_cast<double>(packs_) / seconds_, static_cast<double>(runs_) / seconds_,
               static_cast<double>(messages_) * kRunsOfPack / static_cast<double>(runs_), static_cast<double>(bytes_) / 1e3 / static_cast<double>(runs_),
               0.5 * workers_ * seconds_ / meter_.sum());
    std::fflush(stdout);
  }

  const int workers_;
  const int beat_passes_ = static_cast<int>(beat_interval(workers_).count()) * kPassesASecond / 1000;
  const double seconds_;
  const Plan plan_;
  RunMaker maker_{plan_}, names_{plan_};
  Ledger ledger_;
  const std::vector<Measurement> measured_ = measured();
  simulated::Draws draws_{1};
  Coordinator coordinator_;
  Outbox outbox_;
  std::vector<Effect> effects_;
  std::priority_queue<Computed, std::vector<Computed>, std::greater<>> computed_;
  Meter meter_;
  double now_ = 0;
  std::int64_t packs_ = 0, runs_ = 0, messages_ = 0, answers_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace
}  // namespace palimpsest

int main(int count, char** words) {
  for (int i = 2; i < count; ++i) {
    const std::filesystem::path folder = std::filesystem::path(words[1]) / words[i];
    std::filesystem::create_directories(folder);
    palimpsest::Measuring(folder, std::atoi(words[i])).run();
    std::filesystem::remove_all(folder);
  }
}
