#include "launch/mpi_pairs.h"

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <list>
#include <thread>

#include "runtime/mpi_world.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono_literals::operator""ms;

constexpr int kNumbers = 32768;   // 128 KiB: more than MPI sends unasked, and than one frame holds
constexpr int kPairTag = 11, kReportTag = 12;
constexpr std::chrono::milliseconds kPatience{2000}, kLessPatience{100};   // in a round, before and after one was in vain

// Tells errors in place of ending the world, while it lives.
class ErrorsReturned {
 public:
  ErrorsReturned() { MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); }
  ~ErrorsReturned() { MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL); }
  ErrorsReturned(const ErrorsReturned&) = delete;
  ErrorsReturned& operator=(const ErrorsReturned&) = delete;
};

// An all-reduce of two: each sends its numbers and adds the other's to them.
class Exchange {
 public:
  Exchange(int me, int partner, int rank) : partner(partner), sum_(kNumbers, pattern(me)), sent_(sum_), came_(kNumbers) {
    MPI_Irecv(came_.data(), kNumbers, MPI_FLOAT, rank, kPairTag, MPI_COMM_WORLD, &requests_[0]);
    MPI_Isend(sent_.data(), kNumbers, MPI_FLOAT, rank, kPairTag, MPI_COMM_WORLD, &requests_[1]);
    expected_ = pattern(me) + pattern(partner);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Whether both are through, with the right sum.
  bool done() {
    if (done_) return true;
    int both = 0;
    if (MPI_Testall(2, requests_, &both, MPI_STATUSES_IGNORE) != MPI_SUCCESS || !both) return false;
    std::ranges::transform(sum_, came_, sum_.begin(), std::plus<>());
    done_ = std::ranges::all_of(sum_, [&](float one) { return one == expected_; });
    seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
    return done_;
  }

  const int partner;
  double seconds = 0;

 private:
  static float pattern(int place) { return static_cast<float>(2 * place + 1); }
  std::vector<float> sum_, sent_, came_;
  MPI_Request requests_[2];
  float expected_ = 0;
  bool done_ = false;
  const Clock::time_point begun_ = Clock::now();
};

template <class Done>
bool wait_for(Done done, Clock::time_point deadline) {
  while (!done()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

// One host's part in all rounds. A round in vain is left for the next, and may still come to its end: the other may be late.
std::list<Exchange> meet_all(int me, const std::vector<FirstRank>& hosts, Clock::time_point deadline) {
  const int count = static_cast<int>(hosts.size());
  std::list<Exchange> exchanges;
  auto patience = kPatience;
  for (int round = 0; round < rounds_among(count); ++round) {
    const auto partner = partner_in(round, me, count);
    if (!partner) continue;
    Exchange& one = exchanges.emplace_back(me, *partner, hosts[static_cast<std::size_t>(*partner)].rank);
    if (!wait_for([&] { return one.done(); }, std::min(deadline, Clock::now() + patience))) patience = kLessPatience;
  }
  wait_for([&] { return std::ranges::all_of(exchanges, &Exchange::done); }, deadline);
  return exchanges;
}

// Of one host, as numbers to send: the slowest of its pairs, how long that took, and whom it is parted from.
std::vector<double> report_of(std::list<Exchange>& exchanges) {
  std::vector<double> report = {0, 0};
  for (Exchange& one : exchanges) {
    if (!one.done()) report.push_back(one.partner);
    if (one.done() && one.seconds > report[1]) report[0] = one.partner, report[1] = one.seconds;
  }
  return report;
}

void add_report(int from, const std::vector<double>& report, PairTrial& trial) {
  if (report[1] > trial.seconds) trial.slowest = std::minmax(from, static_cast<int>(report[0])), trial.seconds = report[1];
  for (std::size_t i = 2; i < report.size(); ++i) {
    const Pair pair = std::minmax(from, static_cast<int>(report[i]));
    if (std::ranges::find(trial.parted, pair) == trial.parted.end()) trial.parted.push_back(pair);
  }
}

// One that does not report is parted from rank 0.
void hear_reports(PairTrial& trial, Clock::time_point deadline) {
  for (int place = 1; place < static_cast<int>(trial.hosts.size()); ++place) {
    MPI_Status status;
    const int rank = trial.hosts[static_cast<std::size_t>(place)].rank;
    const auto here = [&] {
      int there = 0;
      return MPI_Iprobe(rank, kReportTag, MPI_COMM_WORLD, &there, &status) == MPI_SUCCESS && there;
    };
    std::vector<double> report = {0, 0, 0};
    if (wait_for(here, deadline)) {
      int count = 0;
      MPI_Get_count(&status, MPI_DOUBLE, &count);
      report.resize(static_cast<std::size_t>(count));
      MPI_Recv(report.data(), count, MPI_DOUBLE, rank, kReportTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    add_report(place, report, trial);
  }
}

void send_report(const std::vector<double>& report, Clock::time_point deadline) {
  MPI_Request request;
  MPI_Isend(report.data(), static_cast<int>(report.size()), MPI_DOUBLE, 0, kReportTag, MPI_COMM_WORLD, &request);
  wait_for(
      [&] {
        int sent = 0;
        return MPI_Test(&request, &sent, MPI_STATUS_IGNORE) != MPI_SUCCESS || sent;
      },
      deadline);
}

}  // namespace

PairTrial try_pairs(MpiWorld& world) {
  const char* named = std::getenv(kFirstRanks);
  PairTrial trial{first_ranks_in(named && world.initialised() ? named : ""), {}, {}, 0};
  const auto me = std::ranges::find(trial.hosts, world.rank(), &FirstRank::rank);
  if (trial.hosts.size() < 2 || me == trial.hosts.end() || trial.hosts.back().rank >= world.world_size()) return trial;
  const ErrorsReturned errors;
  const auto deadline = Clock::now() + std::chrono::seconds(kPairSeconds), late = deadline + 1000ms;
  auto exchanges = meet_all(static_cast<int>(me - trial.hosts.begin()), trial.hosts, deadline);
  const std::vector<double> report = report_of(exchanges);
  if (world.rank() == 0) {
    add_report(0, report, trial);
    hear_reports(trial, late);
    if (!trial.parted.empty()) static std::list<Exchange> kept = std::move(exchanges);   // MPI still looks at them
    return trial;
  }
  send_report(report, late);
  if (report.size() > 2) {
    std::this_thread::sleep_until(late + 5000ms);
    world.abort(2);
  }
  return trial;
}

}  // namespace palimpsest
