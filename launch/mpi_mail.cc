#include "launch/mpi_mail.h"

#include <fmt/core.h>
#include <mpi.h>

#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include <algorithm>
#include <limits>
#include <list>

#include "runtime/error.h"
#include "runtime/mpi_world.h"

namespace palimpsest {
namespace {

constexpr int kLetterTag = 7;

}  // namespace

struct MpiMail::State {
  struct Sending {
    std::string text;   // must stay where it is until the request is done
    MPI_Request request = MPI_REQUEST_NULL;
  };
  bool there = false;
  int world_size = 1;
  MPI_Comm letters = MPI_COMM_NULL;   // of our own, so that no letter meets a collective
  std::list<Sending> sending;
  std::vector<int> known_lost, told_lost;

  void look_for_the_lost();
};

#if defined(OMPI_HAVE_MPI_EXT_FTMPI)
// After this, probes for letters of any rank work again.
void MpiMail::State::look_for_the_lost() {
  MPI_Group failed, all;
  MPIX_Comm_failure_ack(letters);
  MPIX_Comm_failure_get_acked(letters, &failed);
  MPI_Comm_group(letters, &all);
  int count = 0;
  MPI_Group_size(failed, &count);
  for (int i = 0; i < count; ++i) {
    int rank = 0;
    MPI_Group_translate_ranks(failed, 1, &i, all, &rank);
    if (std::ranges::find(known_lost, rank) == known_lost.end()) known_lost.push_back(rank);
  }
  MPI_Group_free(&failed);
  MPI_Group_free(&all);
}
#else
void MpiMail::State::look_for_the_lost() {}
#endif

MpiMail::MpiMail(const MpiWorld& world) : state_(std::make_unique<State>()) {
  state_->there = world.initialised();
  state_->world_size = world.world_size();
  if (!state_->there) return;
  MPI_Comm_dup(MPI_COMM_WORLD, &state_->letters);
  for (const MPI_Comm one : {state_->letters, MPI_COMM_WORLD}) MPI_Comm_set_errhandler(one, MPI_ERRORS_RETURN);
}

MpiMail::~MpiMail() = default;   // the communicator ends with the world: freeing it would wait for ranks that may be gone

int MpiMail::world_size() const { return state_->world_size; }

void MpiMail::send(int rank, std::string text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error(fmt::format("a message of {} bytes is more than MPI carries at once; keep fewer pictures.", text.size()));
  if (std::ranges::find(state_->known_lost, rank) != state_->known_lost.end()) return;
  State::Sending& sending = state_->sending.emplace_back(State::Sending{std::move(text)});
  if (MPI_Isend(sending.text.data(), static_cast<int>(sending.text.size()), MPI_BYTE, rank, kLetterTag, state_->letters, &sending.request) != MPI_SUCCESS)
    state_->sending.pop_back();   // to a rank that is gone: the next receive learns of it
}

std::optional<Letter> MpiMail::receive() {
  if (!state_->there) return std::nullopt;
  int arrived = 0;
  MPI_Status status;
  if (MPI_Iprobe(MPI_ANY_SOURCE, kLetterTag, state_->letters, &arrived, &status) != MPI_SUCCESS) state_->look_for_the_lost();
  if (!arrived) return std::nullopt;
  int size = 0;
  MPI_Get_count(&status, MPI_BYTE, &size);
  Letter letter{status.MPI_SOURCE, std::string(static_cast<std::size_t>(size), '\0')};
  if (MPI_Recv(letter.text.data(), size, MPI_BYTE, letter.from, kLetterTag, state_->letters, MPI_STATUS_IGNORE) == MPI_SUCCESS) return letter;
  state_->look_for_the_lost();   // lost within its letter
  return std::nullopt;
}

std::vector<int> MpiMail::take_lost() {
  std::vector<int> news(state_->known_lost.begin() + static_cast<std::ptrdiff_t>(state_->told_lost.size()), state_->known_lost.end());
  state_->told_lost = state_->known_lost;
  return news;
}

bool MpiMail::all_sent() {
  state_->sending.remove_if([](State::Sending& one) {
    int done = 0;
    return MPI_Test(&one.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0;
  });
  return state_->sending.empty();
}

}  // namespace palimpsest
