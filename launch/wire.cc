#include "launch/wire.h"

#include <fmt/core.h>
#include <google/protobuf/arena.h>

#include <algorithm>

#include "runtime/error.h"
#include "sweeps/ledger_json.h"
#include "wire.pb.h"

namespace palimpsest {
namespace {

constexpr std::uint32_t kWireVersion = 2;

void put(wire::Process* out, const ProcessIdentity& in) {
  out->set_host(in.host);
  out->set_pid(in.pid);
  out->set_born(in.born);
}
ProcessIdentity process_of(const wire::Process& in) { return {in.host(), in.pid(), in.born()}; }

// --- lists with a place for each run

template <class Runs>
std::string lines_of_ids(const Runs& runs) {
  std::string lines;
  for (const auto& run : runs) (lines += run.id) += '\n';
  return lines;
}

template <class Run>
std::vector<Run> runs_with_ids(std::string_view lines) {
  std::vector<Run> runs;
  runs.reserve(static_cast<std::size_t>(std::ranges::count(lines, '\n')));
  for (std::size_t end; !lines.empty(); lines.remove_prefix(end + 1)) {
    end = lines.find('\n');
    if (end == std::string_view::npos) throw FormatError("the ids of a message's runs are cut off");
    runs.emplace_back().id = lines.substr(0, end);
  }
  return runs;
}

template <class Runs, class List>
void check_size(const Runs& runs, const List& list) {
  if (static_cast<std::size_t>(list.size()) != runs.size()) throw FormatError("a message says less or more of its runs than there are");
}

template <class Runs>
auto& run_at(Runs& runs, std::int64_t place) {
  if (place < 0 || place >= std::ssize(runs)) throw FormatError("a message speaks of a run that is not in it");
  return runs[static_cast<std::size_t>(place)];
}

// Those at this place of two runs differ in their numbers alone: mostly, runs of a pack measure the same.
bool alike(const Measurement& a, const Measurement& b) { return a.metric == b.metric && a.axes == b.axes && a.values.size() == b.values.size(); }

void put(wire::Measured* out, const std::vector<RunResult>& results, std::size_t place, std::size_t first, std::size_t runs) {
  const Measurement& shown = results[first].measurements[place];
  out->set_metric(shown.metric);
  for (const Axis& axis : shown.axes) {
    auto* to = out->add_axes();
    to->set_name(axis.name);
    for (const std::string& label : axis.labels) to->add_labels(label);
  }
  out->set_first(static_cast<std::int64_t>(first));
  out->set_runs(static_cast<std::int64_t>(runs));
  out->mutable_values()->Reserve(static_cast<int>(runs * shown.values.size()));
  for (std::size_t run = first; run < first + runs; ++run) {
    const auto& values = results[run].measurements[place].values;
    out->mutable_values()->Add(values.begin(), values.end());
  }
}

// The first that each run measured, then the second: so a run's come in its order.
void put_measurements(wire::Reports& out, const std::vector<RunResult>& results) {
  std::size_t most = 0;
  for (const RunResult& result : results) most = std::max(most, result.measurements.size());
  for (std::size_t place = 0; place < most; ++place)
    for (std::size_t first = 0, end; first < results.size(); first = end) {
      const auto measured = [&](std::size_t run) { return place < results[run].measurements.size(); };
      end = first + 1;
      if (!measured(first)) continue;
      while (end < results.size() && measured(end) && alike(results[first].measurements[place], results[end].measurements[place])) ++end;
      put(out.add_measured(), results, place, first, end - first);
    }
}

void take_measurements(const wire::Measured& in, std::vector<RunResult>& results) {
  run_at(results, in.first());
  if (in.runs() < 1 || in.runs() > std::ssize(results) - in.first() || in.values_size() % in.runs() != 0)
    throw FormatError("a message measured something of runs that are not in it, or of a part of one");
  std::vector<Axis> named;
  for (const auto& axis : in.axes()) named.push_back({axis.name(), {axis.labels().begin(), axis.labels().end()}});
  const Axes axes(std::move(named));
  const auto size = in.values_size() / in.runs();
  auto from = in.values().begin();
  for (std::int64_t run = in.first(); run < in.first() + in.runs(); ++run, from += size)
    run_at(results, run).measurements.push_back({in.metric(), axes, {from, from + size}});
}

void put(wire::Attachment* out, std::size_t run, const Attachment& in) {
  out->set_run(static_cast<std::int64_t>(run));
  out->set_name(in.name);
  out->set_media_type(in.media_type);
  out->set_content(in.bytes.data(), in.bytes.size());
}
Attachment attachment_of(const wire::Attachment& in) {
  const auto* first = reinterpret_cast<const std::byte*>(in.content().data());
  return {in.name(), in.media_type(), {first, first + in.content().size()}};
}

void put(wire::FromWorker& out, const Hello& in) {
  put(out.mutable_hello()->mutable_process(), in.process);
  out.mutable_hello()->set_device(in.device);
  out.mutable_hello()->set_processor(in.processor);
  out.mutable_hello()->set_rank(in.rank);
  out.mutable_hello()->set_program(in.program);
  out.mutable_hello()->set_facts(to_json(in.facts));
}
void put(wire::FromWorker& out, const RunReports& in) {
  wire::Reports& reports = *out.mutable_reports();
  reports.set_pack(in.pack.value);
  reports.set_ids(lines_of_ids(in.results));
  reports.mutable_seconds()->Reserve(static_cast<int>(in.results.size()));
  for (std::size_t run = 0; run < in.results.size(); ++run) {
    const RunResult& result = in.results[run];
    reports.add_seconds(result.seconds);
    if (!result.failure.empty()) {
      auto* failure = reports.add_failures();
      failure->set_run(static_cast<std::int64_t>(run));
      failure->set_reason(result.failure);
    }
    for (const Attachment& one : result.attachments) put(reports.add_attachments(), run, one);
  }
  put_measurements(reports, in.results);
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
  wire::Pack& pack = *out.mutable_pack();
  pack.set_pack(in.pack.value);
  pack.set_together(in.together);
  pack.set_ids(lines_of_ids(in.runs));
  for (std::size_t i = 0; i < in.runs.size(); ++i) {
    pack.add_seeds(in.runs[i].seed);
    pack.add_places(in.runs[i].image_set);
    pack.add_image_sets(in.runs[i].image_sets);
    if (i == 0 || in.runs[i].settings != in.runs[i - 1].settings) pack.add_settings()->set_json(to_json(in.runs[i].settings));   // they mostly have the same
    auto* settings = pack.mutable_settings(pack.settings_size() - 1);
    settings->set_runs(settings->runs() + 1);
  }
}
void put(wire::FromCoordinator& out, const HaltPack&) { out.mutable_halt(); }
void put(wire::FromCoordinator& out, const GoHome& in) { out.mutable_go_home()->set_some_lost(in.some_lost); }
void put(wire::FromCoordinator& out, const Answer&) { out.mutable_answer(); }

Hello hello_of(const wire::Hello& in) { return {process_of(in.process()), in.device(), in.processor(), in.rank(), in.program(), words_of_json(in.facts().empty() ? "{}" : in.facts())}; }

RunReports reports_of(const wire::Reports& in) {
  RunReports out{PackId{in.pack()}, runs_with_ids<RunResult>(in.ids())};
  check_size(out.results, in.seconds());
  for (std::size_t run = 0; run < out.results.size(); ++run) out.results[run].seconds = in.seconds(static_cast<int>(run));
  for (const auto& one : in.failures()) run_at(out.results, one.run()).failure = one.reason();
  for (const auto& one : in.measured()) take_measurements(one, out.results);
  for (const auto& one : in.attachments()) run_at(out.results, one.run()).attachments.push_back(attachment_of(one));
  return out;
}

Left left_of(const wire::Left& in) {
  if (in.leaving() < 0 || in.leaving() > static_cast<int>(Leaving::kOutOfMemory)) throw FormatError("a pack was left for an unknown reason");
  return {PackId{in.pack()}, static_cast<Leaving>(in.leaving())};
}

Welcome welcome_of(const wire::Welcome& in) { return {process_of(in.process()), in.study(), in.keep_pictures(), in.results(), in.snapshot_every()}; }

PackOrder pack_of(const wire::Pack& in) {
  PackOrder out{PackId{in.pack()}, runs_with_ids<RunSpec>(in.ids()), in.together()};
  for (const auto* list : {&in.seeds(), &in.places(), &in.image_sets()}) check_size(out.runs, *list);
  std::int64_t next = 0;
  for (const auto& one : in.settings()) {
    const Settings settings = settings_of_json(one.json());
    if (one.runs() < 1 || one.runs() > std::ssize(out.runs) - next) throw FormatError("the settings of a pack are those of more runs than it has");
    for (const std::int64_t end = next + one.runs(); next < end; ++next) run_at(out.runs, next).settings = settings;
  }
  if (next != std::ssize(out.runs)) throw FormatError("runs of a pack without settings");
  for (std::size_t i = 0; i < out.runs.size(); ++i) {
    const auto at = static_cast<int>(i);
    RunSpec& run = out.runs[i];
    run.seed = in.seeds(at), run.image_set = in.places(at), run.image_sets = in.image_sets(at);
  }
  return out;
}

template <class Envelope, class Message>
std::string enveloped(const Message& message) {
  google::protobuf::Arena arena;
  auto& envelope = *google::protobuf::Arena::CreateMessage<Envelope>(&arena);
  envelope.set_version(kWireVersion);
  std::visit([&](const auto& one) { put(envelope, one); }, message);
  return envelope.SerializeAsString();
}

// In an arena, since axes are made of hundreds of labels.
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
