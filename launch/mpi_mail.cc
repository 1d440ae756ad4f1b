#include "launch/mpi_mail.h"

#include <fmt/core.h>
#include <mpi.h>

#include <limits>
#include <list>

#include "runtime/error.h"
#include "runtime/mpi_world.h"

namespace palimpsest {
namespace {

constexpr int kLetterTag = 7;

struct Sending {
  std::string text;      // must stay where it is until the request is done
  MPI_Request request = MPI_REQUEST_NULL;
};

}  // namespace

struct MpiMail::State {
  bool there = false;
  int world_size = 1;
  MPI_Comm letters = MPI_COMM_NULL;   // of our own, so that no letter meets a collective
  std::list<Sending> sending;
};

MpiMail::MpiMail(const MpiWorld& world) : state_(std::make_unique<State>()) {
  state_->there = world.initialised();
  state_->world_size = world.world_size();
  if (state_->there) MPI_Comm_dup(MPI_COMM_WORLD, &state_->letters);
}

MpiMail::~MpiMail() = default;   // the communicator ends with the world: freeing it would wait for ranks that may be gone

int MpiMail::world_size() const { return state_->world_size; }

void MpiMail::send(int rank, std::string text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error(fmt::format("a message of {} bytes is more than MPI carries at once; keep fewer pictures.", text.size()));
  Sending& sending = state_->sending.emplace_back(Sending{std::move(text)});
  MPI_Isend(sending.text.data(), static_cast<int>(sending.text.size()), MPI_BYTE, rank, kLetterTag, state_->letters, &sending.request);
}

std::optional<Letter> MpiMail::receive() {
  if (!state_->there) return std::nullopt;
  int arrived = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, kLetterTag, state_->letters, &arrived, &status);
  if (!arrived) return std::nullopt;
  int size = 0;
  MPI_Get_count(&status, MPI_BYTE, &size);
  Letter letter{status.MPI_SOURCE, std::string(static_cast<std::size_t>(size), '\0')};
  MPI_Recv(letter.text.data(), size, MPI_BYTE, letter.from, kLetterTag, state_->letters, MPI_STATUS_IGNORE);
  return letter;
}

bool MpiMail::all_sent() {
  state_->sending.remove_if([](Sending& one) {
    int done = 0;
    MPI_Test(&one.request, &done, MPI_STATUS_IGNORE);
    return done != 0;
  });
  return state_->sending.empty();
}

}  // namespace palimpsest
