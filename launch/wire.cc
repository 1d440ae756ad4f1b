#include "launch/wire.h"

#include <fmt/core.h>
#include <google/protobuf/arena.h>

#include "runtime/error.h"
#include "sweeps/ledger_json.h"
#include "wire.pb.h"

namespace palimpsest {
namespace {

constexpr std::uint32_t kWireVersion = 1;

void put(wire::Process* out, const ProcessIdentity& in) {
  out->set_host(in.host);
  out->set_pid(in.pid);
  out->set_born(in.born);
}
ProcessIdentity process_of(const wire::Process& in) { return {in.host(), in.pid(), in.born()}; }

void put(wire::Measurement* out, const Measurement& in, const Measurement* before) {
  out->mutable_values()->Add(in.values.begin(), in.values.end());
  if (before && before->metric == in.metric && before->axes == in.axes) return out->set_same(1);   // runs of a pack mostly measure the same
  out->set_metric(in.metric);
  for (const Axis& axis : in.axes) {
    auto* to = out->add_axes();
    to->set_name(axis.name);
    for (const std::string& label : axis.labels) to->add_labels(label);
  }
}
Measurement measurement_of(const wire::Measurement& in, const Measurement* before) {
  if (in.same() != 0 && !before) throw FormatError("a measurement is said to be like one before it, and there is none. All ranks must run the same palimpsest.");
  if (in.same() != 0) return {before->metric, before->axes, {in.values().begin(), in.values().end()}};
  Measurement out{in.metric(), {}, {in.values().begin(), in.values().end()}};
  for (const auto& axis : in.axes()) out.axes.push_back({axis.name(), {axis.labels().begin(), axis.labels().end()}});
  return out;
}

void put(wire::Attachment* out, const Attachment& in) {
  out->set_name(in.name);
  out->set_media_type(in.media_type);
  out->set_content(in.bytes.data(), in.bytes.size());
}
Attachment attachment_of(const wire::Attachment& in) {
  const auto* first = reinterpret_cast<const std::byte*>(in.content().data());
  return {in.name(), in.media_type(), {first, first + in.content().size()}};
}

void put(wire::Run* out, const RunSpec& in) {
  out->set_id(in.id);
  out->set_seed(in.seed);
  out->set_image_set(in.image_set);
  out->set_image_sets(in.image_sets);
}
RunSpec run_of(const wire::Run& in, Settings settings) { return {in.id(), std::move(settings), in.seed(), in.image_set(), in.image_sets()}; }

void put(wire::FromWorker& out, const Hello& in) {
  put(out.mutable_hello()->mutable_process(), in.process);
  out.mutable_hello()->set_device(in.device);
  out.mutable_hello()->set_processor(in.processor);
  out.mutable_hello()->set_rank(in.rank);
  out.mutable_hello()->set_program(in.program);
}
// The measurement in this place of the result before; none where there is none.
const Measurement* measured_before(const std::vector<RunResult>& results, std::size_t result, std::size_t place) {
  return result > 0 && place < results[result - 1].measurements.size() ? &results[result - 1].measurements[place] : nullptr;
}

void put(wire::FromWorker& out, const RunReports& in) {
  out.mutable_reports()->set_pack(in.pack.value);
  for (std::size_t i = 0; i < in.results.size(); ++i) {
    const RunResult& result = in.results[i];
    auto* report = out.mutable_reports()->add_reports();
    report->set_run(result.id);
    report->set_failure(result.failure);
    report->set_seconds(result.seconds);
    for (std::size_t m = 0; m < result.measurements.size(); ++m) put(report->add_measurements(), result.measurements[m], measured_before(in.results, i, m));
    for (const Attachment& one : result.attachments) put(report->add_attachments(), one);
  }
}
void put(wire::FromWorker& out, const Left& in) {
  out.mutable_left()->set_pack(in.pack.value);
  out.mutable_left()->set_leaving(static_cast<int>(in.leaving));
}
void put(wire::FromWorker& out, const Beat& in) {
  out.mutable_beat()->set_pack(in.pack.value);
  out.mutable_beat()->set_share(in.share);
}
void put(wire::FromWorker& out, const AskStop& in) { out.mutable_ask_stop()->set_reason(in.reason); }
void put(wire::FromWorker& out, const Bye&) { out.mutable_bye(); }

void put(wire::FromCoordinator& out, const Welcome& in) {
  put(out.mutable_welcome()->mutable_process(), in.process);
  out.mutable_welcome()->set_study(in.study);
  out.mutable_welcome()->set_keep_pictures(in.keep_pictures);
  out.mutable_welcome()->set_results(in.results);
  out.mutable_welcome()->set_snapshot_every(in.snapshot_every);
}
void put(wire::FromCoordinator& out, const PackOrder& in) {
  out.mutable_pack()->set_pack(in.pack.value);
  out.mutable_pack()->set_together(in.together);
  for (std::size_t i = 0; i < in.runs.size(); ++i) {
    auto* run = out.mutable_pack()->add_runs();
    put(run, in.runs[i]);
    if (i > 0 && in.runs[i].settings == in.runs[i - 1].settings)   // runs of a pack mostly differ in seed and image set alone
      run->set_same(1);
    else
      run->set_settings(to_json(in.runs[i].settings));
  }
}
void put(wire::FromCoordinator& out, const HaltPack&) { out.mutable_halt(); }
void put(wire::FromCoordinator& out, const GoHome& in) { out.mutable_go_home()->set_some_lost(in.some_lost); }
void put(wire::FromCoordinator& out, const Answer&) { out.mutable_answer(); }

Hello hello_of(const wire::Hello& in) { return {process_of(in.process()), in.device(), in.processor(), in.rank(), in.program()}; }

RunReports reports_of(const wire::Reports& in) {
  RunReports out{PackId{in.pack()}, {}};
  out.results.reserve(static_cast<std::size_t>(in.reports_size()));
  for (const auto& report : in.reports()) {
    RunResult& result = out.results.emplace_back();
    result.id = report.run();
    result.failure = report.failure();
    result.seconds = report.seconds();
    for (const auto& one : report.measurements()) result.measurements.push_back(measurement_of(one, measured_before(out.results, out.results.size() - 1, result.measurements.size())));
    for (const auto& one : report.attachments()) result.attachments.push_back(attachment_of(one));
  }
  return out;
}

Left left_of(const wire::Left& in) {
  if (in.leaving() < 0 || in.leaving() > static_cast<int>(Leaving::kOutOfMemory)) throw FormatError("a pack was left for an unknown reason");
  return {PackId{in.pack()}, static_cast<Leaving>(in.leaving())};
}

Welcome welcome_of(const wire::Welcome& in) { return {process_of(in.process()), in.study(), in.keep_pictures(), in.results(), in.snapshot_every()}; }

PackOrder pack_of(const wire::Pack& in) {
  PackOrder out{PackId{in.pack()}, {}, in.together()};
  for (const auto& run : in.runs()) {
    if (run.same() != 0 && (run.same() != 1 || out.runs.empty())) throw FormatError("a run whose settings are those of none before it");
    out.runs.push_back(run_of(run, run.same() ? out.runs.back().settings : settings_of_json(run.settings())));
  }
  return out;
}

template <class Envelope, class Message>
std::string enveloped(const Message& message) {
  Envelope envelope;
  envelope.set_version(kWireVersion);
  std::visit([&](const auto& one) { put(envelope, one); }, message);
  return envelope.SerializeAsString();
}

// In an arena, since a report is made of hundreds of labels.
template <class Envelope>
const Envelope& opened(std::string_view bytes, google::protobuf::Arena& arena) {
  auto& envelope = *google::protobuf::Arena::CreateMessage<Envelope>(&arena);
  if (!envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw FormatError("bytes that are no message. All ranks must run the same palimpsest.");
  if (envelope.version() != kWireVersion)
    throw FormatError(fmt::format("a message of version {}, this program reads version {}. All ranks must run the same palimpsest.",
                                  envelope.version(), kWireVersion));
  return envelope;
}

}  // namespace

std::string encode(const FromWorker& message) { return enveloped<wire::FromWorker>(message); }
std::string encode(const FromCoordinator& message) { return enveloped<wire::FromCoordinator>(message); }

FromWorker from_worker(std::string_view bytes) {
  google::protobuf::Arena arena;
  const auto& envelope = opened<wire::FromWorker>(bytes, arena);
  switch (envelope.body_case()) {
    case wire::FromWorker::kHello: return hello_of(envelope.hello());
    case wire::FromWorker::kReports: return reports_of(envelope.reports());
    case wire::FromWorker::kLeft: return left_of(envelope.left());
    case wire::FromWorker::kBeat: return Beat{PackId{envelope.beat().pack()}, envelope.beat().share()};
    case wire::FromWorker::kAskStop: return AskStop{envelope.ask_stop().reason()};
    case wire::FromWorker::kBye: return Bye{};
    default: throw FormatError("a message without a body. All ranks must run the same palimpsest.");
  }
}

FromCoordinator from_coordinator(std::string_view bytes) {
  google::protobuf::Arena arena;
  const auto& envelope = opened<wire::FromCoordinator>(bytes, arena);
  switch (envelope.body_case()) {
    case wire::FromCoordinator::kWelcome: return welcome_of(envelope.welcome());
    case wire::FromCoordinator::kPack: return pack_of(envelope.pack());
    case wire::FromCoordinator::kHalt: return HaltPack{};
    case wire::FromCoordinator::kGoHome: return GoHome{envelope.go_home().some_lost()};
    case wire::FromCoordinator::kAnswer: return Answer{};
    default: throw FormatError("a message without a body. All ranks must run the same palimpsest.");
  }
}

}  // namespace palimpsest
