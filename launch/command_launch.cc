#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "launch/commands.h"
#include "launch/exit_code.h"
#include "launch/launch_request.h"
#include "launch/mpi_pairs.h"
#include "launch/mpirun_command.h"
#include "launch/process_identity.h"
#include "launch/provenance_mpi.h"
#include "launch/restarts.h"
#include "launch/shared_options.h"
#include "launch/stop_signal.h"
#include "launch/world_hosts.h"
#include "launch/world_process.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/host_cores.h"
#include "runtime/host_name.h"
#include "runtime/mpi_world.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

// The file the ranks leave their outcome in; where they are on several hosts it is in this folder, which those share.
class ExitFile {
 public:
  explicit ExitFile(const LaunchRequest& request) {
    const bool several = !request.hosts.empty() || std::getenv("SLURM_JOB_ID");
    const auto folder = several ? std::filesystem::current_path() : std::filesystem::temp_directory_path();
    path_ = folder / fmt::format(".palimpsest-launch-{}-{}", host_name(), getpid());
    forget();
    if (several) write_durably(shared_ = path_.string() + "-shared", "seen by hosts that share this folder\n");
    setenv("PALIMPSEST_EXIT_FILE", path_.c_str(), 1);
  }
  ~ExitFile() {
    forget();
    std::error_code ignored;
    if (!shared_.empty()) std::filesystem::remove(shared_, ignored);
    unsetenv("PALIMPSEST_EXIT_FILE");  // it is for the ranks: our own code is main's to return
  }
  void forget() const {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  const std::string& shared() const {
    return shared_;
  }  // a file that is there for hosts which share this folder; empty: one host

 private:
  std::filesystem::path path_;
  std::string shared_;
};

// A host that starts ranks elsewhere need not have what they read.
bool ranks_are_here(const LaunchRequest& request) {
  return request.hosts.empty() ? std::getenv("SLURM_JOB_ID") == nullptr : std::ranges::any_of(read_hostfile(request.hosts), is_this_host);
}

// Several are asked what images they have, this one among them, and told of by name.
bool hosts_are_asked(const LaunchRequest& request) {
  return !request.hosts.empty() && (request.check || (!request.no_check && !std::ranges::all_of(read_hostfile(request.hosts), is_this_host)));
}

// Mistakes are told here and once, before any host is asked and any rank started.
void check_words(const Command& command, LaunchRequest& request) {
  CommandLine line(command.help, command.name);
  const Run unused = command.add(line);
  if (const auto unparsed = line.parse({request.command.begin() + 1, request.command.end()})) {
    if (!unparsed->mistake) return;   // --help
    throw InputError(fmt::format("{}: {}. See palimpsest {} --help.", command.name, without_full_stop(unparsed->what), command.name));
  }
  const DefinitionArgument given = definition_argument_of(line);
  const DefinitionNeeds needs = command.needs(given);
  const std::string device = line.values("--device").empty() ? "auto" : line.values("--device").front();
  if (needs.gpus && device != "cpu") request.gpus = device;
  for (const std::string& out : line.values("--out")) refuse_impossible_folder(out), needs.refuse_folder(out);
  if (ranks_are_here(request)) {
    refuse_missing_weights(needs);
    if (!hosts_are_asked(request)) refuse_missing_images(needs);
  }
  request.images = needs.images;
}

void check_command(LaunchRequest& request) {
  const std::vector<std::string>& words = request.command;
  std::string names;
  for (const Command& command : commands()) {
    if (command.ranks != Ranks::kAll || !command.needs) continue;
    if (!words.empty() && words[0] == command.name) return check_words(command, request);
    names += (names.empty() ? "" : ", ") + std::string(command.name);
  }
  throw InputError(
      fmt::format("launch: {}. Commands that run over ranks: {}.",
                  words.empty() ? "no command is given" : "\"" + words[0] + "\" is none that runs over ranks", names));
}

void check(LaunchRequest& request) {
  if (MpiWorld::started_by_launcher() && !std::getenv("SLURM_JOB_ID"))
    throw InputError("launch starts mpirun itself. Run it outside of mpirun, or leave the word launch away.");
  if (request.ranks && *request.ranks < 1)
    throw InputError(fmt::format("-n {}: there must be at least 1 rank.", *request.ranks));
  if (request.starter == "srun" && !std::getenv("SLURM_JOB_ID"))
    throw InputError("--starter srun: this is no allocation of Slurm. Run it within one (salloc, sbatch), or leave --starter out.");
  refuse_unreadable_network(request.network);
  if (!request.command.empty() || !request.check) check_command(request);
}

// Codes above those of signals are mpirun's own.
bool killed_by_signal(int exit_code) { return exit_code > 128 && exit_code <= 128 + SIGRTMAX; }

std::string how_it_ended(const WorldEnd& end) {
  if (end.hung) return "mpirun did not end after rank 0 had";
  if (end.signal) return fmt::format("mpirun was killed by signal {}", end.signal);
  if (end.loss) return loss_text(*end.loss);
  if (killed_by_signal(end.exit_code)) return fmt::format("a rank was killed by signal {}", end.exit_code - 128);
  return fmt::format("mpirun ended with {} before rank 0 was through", end.exit_code);
}

// What the world came to; nothing where it was lost and can be started again. `begun`: one with this input began before, so that one which
// does not begin has met with a host that was lost meanwhile.
std::optional<int> outcome_of(const WorldEnd& end, const ExitFile& file, bool begun) {
  const LaunchedOutcome outcome = outcome_in(file.path());
  if (end.asked_to_stop && !outcome.exit_code)
    throw Interrupted("stopped by a signal. What was committed is safe: the same command resumes.");
  if (end.asked_to_stop) return outcome.exit_code;
  if (end.signal && !end.hung) return std::nullopt;  // ranks that stopped because of it were not asked to
  if (outcome.exit_code) return outcome.exit_code;
  const bool lost_at_its_start = end.exit_code == 3;   // as a rank says to which MPI did not come
  if (begun || outcome.started || killed_by_signal(end.exit_code) || lost_at_its_start) return std::nullopt;
  throw InputError(fmt::format(
      "{}, and no word of rank 0 is in {}. What was said is above; with --hosts, the hosts must "
      "share this folder and have this program.",
      end.loss ? loss_text(*end.loss) : fmt::format("mpirun ended with {}", end.exit_code), file.path().string()));
}

// Ranks see no terminal behind mpirun: what they draw a progress bar on is told them.
void announce_terminal() {
  if (!isatty(STDERR_FILENO)) return;
  winsize size = {};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  setenv("PALIMPSEST_TERMINAL_COLUMNS", std::to_string(size.ws_col > 0 ? size.ws_col : 80).c_str(), 1);
}

Starter starter_for(const LaunchRequest& request) {
  if (request.starter == "srun") return {Starter::Kind::kSrun, "srun", "", geteuid() == 0};
  if (!request.prefix.empty()) {
    const auto program = std::filesystem::path(request.prefix) / "bin/mpirun";
    if (!std::filesystem::exists(program))
      throw InputError(fmt::format("--prefix {}: there is no {}. Name the folder of an Open MPI, or leave --prefix out.", request.prefix, program.string()));
    return mpirun_at_hand(program, request.prefix, mpi_library(), geteuid() == 0);
  }
  return mpirun_at_hand(PALIMPSEST_MPIRUN, PALIMPSEST_MPI_PREFIX, mpi_library(), geteuid() == 0);
}

// Ranks of a host with several memories keep to one each; the system places them within it.
std::string binding(const LaunchRequest& request) {
  if (request.bind != "auto") return request.bind;
  return host_cores().memories > 1 && !request.oversubscribe ? "numa" : "none";
}

// The hosts, in a file of our own for mpirun; hosts may share the folder for such files.
class Hostfile {
 public:
  void write(const std::vector<Host>& hosts) {
    path_ = std::filesystem::temp_directory_path() / fmt::format("palimpsest-hosts-{}-{}", host_name(), getpid());
    write_durably(path_, hostfile_text(hosts));
  }
  ~Hostfile() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Ranks that speak for a host try what is between them, before they work; where none are named, no rank may take any for named.
void name_first_ranks(const std::vector<Host>& hosts, WorldPlan& plan) {
  setenv(kFirstRanks, encode(first_ranks(hosts, plan.ranks)).c_str(), 1);
  plan.variables.push_back(kFirstRanks);
}

WorldPlan plan_world(const LaunchRequest& request, const WorldHosts& hosts, const Starter& starter, Hostfile& file) {
  const auto usable = hosts.usable();
  if (usable.empty()) throw Interrupted("no host is left. What was committed is safe: the same command resumes.");
  WorldPlan plan;
  LaunchRequest wanted = request;
  if (hosts.lost_some() && wanted.ranks) wanted.ranks = std::min(*wanted.ranks, slots_of(usable));
  plan.ranks = ranks_to_start(wanted, usable);
  if (hosts.several() && starter.kind != Starter::Kind::kSrun) {
    file.write(usable);
    plan.hostfile = file.path();
    if (!hosts.allocation() && hosts.shell() != std::vector<std::string>{"ssh"}) plan.shell = hosts.shell();
  }
  if (hosts.lost_some())
    for (const Host& host : usable) plan.nodes.push_back(host.name);
  plan.network = hosts.network();
  plan.bind = binding(request);
  plan.survive = request.command.front() == "sweep" && MpiWorld::outlives_losses();   // ranks that train in common need each other
  plan.variables = {"PALIMPSEST_EXIT_FILE"};
  plan.command = {own_program().string()};
  plan.command.insert(plan.command.end(), request.command.begin(), request.command.end());
  return plan;
}

// Sleeps, unless a stop is asked for.
void wait_before(int restart) {
  const auto end = Clock::now() + back_off(restart);
  while (Clock::now() < end) {
    if (stop_requested())
      throw Interrupted("stopped by a signal. What was committed is safe: the same command resumes.");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// What is worth a look goes to the screen; what would stop the run ends it.
void heed(const std::vector<Finding>& findings) {
  std::vector<Finding> worth;
  std::ranges::copy_if(findings, std::back_inserter(worth),
                       [](const Finding& one) { return one.grade != Grade::kGood; });
  if (!worth.empty()) std::fputs(findings_text(worth).c_str(), stderr);
  if (stops(findings))
    throw InputError("the hosts are not fit for a run: see above. --no-check starts it all the same.");
}

// The network as MPI sees it; 2 where it does not join all hosts, as rank 0 has told then.
int try_over_mpi(const LaunchRequest& request, const WorldHosts& hosts, const ExitFile& file) {
  LaunchRequest pairs = request;
  pairs.command = {"pairs"};
  pairs.ranks = static_cast<int>(hosts.usable().size());
  const Starter starter = starter_for(request);
  Hostfile hostfile;
  WorldPlan plan = plan_world(pairs, hosts, starter, hostfile);
  std::vector<Host> one_each = hosts.usable();
  for (Host& host : one_each) host.slots = 1;
  hostfile.write(one_each);
  name_first_ranks(one_each, plan);
  file.forget();   // what was asked of this host may have left its outcome there
  const WorldEnd end = run_world(start_command(starter, plan), starter.tags(), [&] { return outcome_in(file.path()).exit_code.has_value(); });
  return outcome_of(end, file, /*begun=*/false).value_or(2);
}

int tell_check(const LaunchRequest& request, const WorldHosts& hosts, const ExitFile& file) {
  std::fputs(findings_text(hosts.findings()).c_str(), stdout);
  std::fflush(stdout);
  if (stops(hosts.findings())) return 2;
  if (const int code = hosts.several() ? try_over_mpi(request, hosts, file) : 0) return code;
  fmt::print("{} would start on {}.\n", counted(ranks_to_start(request, hosts.usable()), "rank"),
             counted(hosts.usable().size(), "host"));
  return 0;
}

[[noreturn]] void throw_hopeless(const WorldEnd& end) {
  throw Interrupted(fmt::format("{}, for the second time within seconds of the start and before any work. {} What was committed is safe: the same command resumes.",
                                how_it_ended(end), end.loss ? loss_advice(*end.loss) : "What was said is above."));
}

int run_with_restarts(const LaunchRequest& request, WorldHosts& hosts, const ExitFile& file) {
  const Starter starter = starter_for(request);
  Hostfile hostfile;
  Restarts restarts(request.restarts);
  bool has_begun = false;
  for (;;) {
    const auto begun = Clock::now();
    file.forget();
    WorldPlan plan = plan_world(request, hosts, starter, hostfile);
    if (restarts.in_vain()) plan.survive = false;   // an MPI that outlives losses does not tell of them
    name_first_ranks(hosts.several() && !has_begun ? hosts.usable() : std::vector<Host>{}, plan);
    const WorldEnd end = run_world(start_command(starter, plan), starter.tags(), [&] { return outcome_in(file.path()).exit_code.has_value(); });
    if (const auto code = outcome_of(end, file, has_begun)) return *code;
    has_begun = true;
    restarts.count({std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun), outcome_in(file.path()).working, end.signal == 0 && !end.hung});
    const bool looked = restarts.in_vain();   // it may be for a host
    if (looked && hosts.look_for_lost() > 0) restarts.a_host_is_gone();
    if (restarts.hopeless()) throw_hopeless(end);
    if (restarts.none_left())
      throw Interrupted(how_it_ended(end) +
                        ", and no restart is left. What was committed is safe: the same command resumes.");
    fmt::print(stderr, "palimpsest: {}; starting again ({} of {} restarts left).\n", how_it_ended(end), restarts.left(),
               request.restarts);
    wait_before(restarts.number());
    if (!looked) hosts.look_for_lost();
  }
}

int launch(LaunchRequest& request) {
  check(request);
  announce_terminal();
  catch_stop_signals();
  signal(SIGPIPE, SIG_IGN);  // a host that is gone in mid-sentence
  const ExitFile file(request);
  WorldHosts hosts(request, own_program(), file.shared());
  if (request.check) return tell_check(request, hosts, file);
  heed(hosts.findings());
  return run_with_restarts(request, hosts, file);
}

}  // namespace

Run add_launch(CommandLine& command) {
  auto request = std::make_shared<LaunchRequest>();
  if (const char* prefix = std::getenv("PALIMPSEST_PREFIX")) request->prefix = prefix;  // the bundle's own
  command
      .add_option("-n", request->ranks,
                  "ranks; without it one for each GPU where the command computes on some, else for each core (or slot, or task of the "
                  "Slurm allocation)")
      ->type_name("N");
  command
      .add_option("--hosts", request->hosts,
                  "a line for each host: NAME slots=N (without slots: its cores). Within a Slurm allocation its hosts "
                  "are known")
      ->type_name("FILE");
  command
      .add_option("--ranks-per-gpu", request->ranks_per_gpu,
                  "on GPUs, where neither -n nor slots are said: so many ranks share each GPU and its memory")
      ->type_name("N")
      ->between(1, 64);
  command.add_flag("--check", request->check, "look at the hosts, tell what is found, and end");
  command.add_flag("--no-check", request->no_check, "do not look at the hosts first");
  command.add_option("--restarts", request->restarts, "how often the ranks are started again after one was lost")
      ->capture_default_str()
      ->between(0, 1000000);
  command.add_flag("--oversubscribe", request->oversubscribe, "start more ranks than there are cores");
  command.add_option("--bind", request->bind, "what a rank is tied to; auto: numa where a host has several memories")
      ->one_of({"auto", "none", "core", "numa"})
      ->capture_default_str();
  command
      .add_option("--network", request->network,
                  "the network MPI keeps to, as 10.0.0.0/24; without it the hosts are tried")
      ->type_name("CIDR");
  command.add_option("--shell", request->shell, "what reaches a host, as \"ssh -p 2222\"")->type_name("COMMAND");
  command
      .add_option("--prefix", request->prefix,
                  "folder of another Open MPI of the same version, in place of the one this program was built with")
      ->type_name("DIR");
  command
      .add_option("--starter", request->starter,
                  "mpirun; srun, within a Slurm allocation, with an MPI that Slurm can start")
      ->one_of({"mpirun", "srun"})
      ->type_name("NAME");
  command.take_command();
  command.footer(
      "COMMAND... is any command that runs over ranks, with its arguments: palimpsest launch -n 3 sweep FILE.toml "
      "--out DIR");
  CommandLine* app = &command;
  return [request, app](MpiWorld&) {
    request->command = app->remaining();
    return launch(*request);
  };
}

}  // namespace palimpsest
