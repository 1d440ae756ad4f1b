#include "launch/submitted.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "launch/conversation.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::chrono::seconds kAnswerLimit{120};

std::filesystem::path record(const std::filesystem::path& out) { return out / "submitted.json"; }

std::string with_file(const std::string& word, const std::string& file) {
  const auto at = word.find("@FILE");
  return at == std::string::npos ? word : word.substr(0, at) + file + word.substr(at + 5);
}

// What a command says; throws InputError with its complaint where it fails.
std::string said_by(const std::vector<std::string>& command) {
  Conversation talk(command);
  std::string all;
  while (const auto line = talk.hear(kAnswerLimit)) all += *line + "\n";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!talk.ended() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (talk.ended() == 0) return all;
  const std::string complaint = talk.complaint();
  throw InputError(fmt::format("{}: {}", command[0], complaint.empty() ? fmt::format("ended with {}", talk.ended().value_or(-1)) : complaint));
}

struct Submitted {
  std::string engine, space;
  std::vector<std::string> ids;
};

void remember(const std::filesystem::path& out, const Submitted& one) {
  nlohmann::ordered_json json = {{"engine", one.engine}, {"jobs", one.ids}};
  if (!one.space.empty()) json["namespace"] = one.space;
  write_durably(record(out), json.dump(2) + "\n");
}

Submitted submitted_into(const std::filesystem::path& out) {
  if (!std::filesystem::exists(record(out))) throw InputError(out.string() + ": nothing was submitted into this folder (it has no submitted.json).");
  try {
    const auto json = nlohmann::json::parse(read_file(record(out)));
    return {json.at("engine"), json.value("namespace", ""), json.at("jobs").get<std::vector<std::string>>()};
  } catch (const nlohmann::json::exception& error) {
    throw InputError(fmt::format("{}: it is damaged: {}. Ask the batch system itself.", record(out).string(), error.what()));
  }
}

const Engine& engine_of(const Submitted& one) {
  const auto at = std::ranges::find(engines(), one.engine, &Engine::name);
  if (at == engines().end()) throw InputError("submitted.json names a batch system that this program does not know: " + one.engine);
  return *at;
}

// What is said to each question, or why nothing is: each is asked once.
class Answers {
 public:
  const std::string& to(const std::vector<std::string>& question) {
    const auto known = said_.find(question);
    return known != said_.end() ? known->second : said_[question] = asked(question);
  }

 private:
  static std::string asked(const std::vector<std::string>& question) {
    try {
      return said_by(question);
    } catch (const InputError& error) {   // squeue knows an old job no more
      return std::string(error.what()) + "\n";
    }
  }
  std::map<std::vector<std::string>, std::string> said_;
};

std::string lines_beginning_with(const std::string& id, const std::string& text) {
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    std::string first;
    std::istringstream(line) >> first;
    if (first == id) all += line + "\n";
  }
  return all;
}

std::string said_of(const JobId& job, const Engine& engine, Answers& answers) {
  const auto question = engine.ask(job);
  const bool names_it = std::ranges::any_of(question, [&](const std::string& word) { return word.find(job.id) != std::string::npos; });
  const std::string said = names_it ? answers.to(question) : lines_beginning_with(job.id, answers.to(question));
  return said.empty() ? fmt::format("{} {}: no longer in the queue\n", engine.name, job.id) : said;
}

}  // namespace

std::string shown(const std::vector<std::string>& command, const std::string& file) {
  std::string line;
  for (const std::string& word : command) line += (line.empty() ? "" : " ") + shell_word(with_file(word, file));
  return line;
}

std::vector<std::string> hand_over_to(const Engine& engine, const Submission& submission, const std::filesystem::path& out) {
  prepare_folder(out);
  const std::filesystem::path file = std::filesystem::absolute(out) / submission.file_name;
  write_durably(file, submission.text);
  Submitted submitted{engine.name, submission.space, {}};
  for (std::vector<std::string> command : submission.commands) {
    for (std::string& word : command) word = with_file(word, file);
    const std::string id = engine.id_in(said_by(command));
    if (!id.empty() && std::ranges::find(submitted.ids, id) == submitted.ids.end()) submitted.ids.push_back(id);
    remember(out, submitted);
  }
  return submitted.ids;
}

bool was_submitted(const std::filesystem::path& out) { return std::filesystem::exists(record(out)); }

std::vector<std::filesystem::path> slices_in(const std::filesystem::path& out) {
  std::map<int, std::filesystem::path> begun;   // in any order: not all tasks of an array begin at once
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(out, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("slice-") && std::filesystem::exists(entry.path() / "ledger.sqlite")) begun[std::atoi(name.c_str() + 6)] = entry.path();
  }
  std::vector<std::filesystem::path> folders;
  for (const auto& [slice, folder] : begun) folders.push_back(folder);
  return folders;
}

std::vector<JobStanding> standing_of_jobs(const std::filesystem::path& out) {
  const Submitted submitted = submitted_into(out);
  Answers answers;
  std::vector<JobStanding> all;
  for (const std::string& id : submitted.ids) all.push_back({id, said_of({id, submitted.space}, engine_of(submitted), answers)});
  return all;
}

int tell_submitted(const std::filesystem::path& out) {
  for (const JobStanding& job : standing_of_jobs(out)) fmt::print("{}", job.said);
  return 0;
}

std::string submitted_json(const std::filesystem::path& out, const std::map<std::string, std::string>& slices) {
  nlohmann::ordered_json json = {{"engine", submitted_into(out).engine}, {"jobs", nlohmann::ordered_json::array()}, {"slices", nlohmann::ordered_json::object()}};
  for (const JobStanding& job : standing_of_jobs(out)) json["jobs"].push_back({{"id", job.id}, {"said", job.said.substr(0, job.said.find_last_not_of('\n') + 1)}});
  for (const auto& [folder, status] : slices) json["slices"][folder] = nlohmann::ordered_json::parse(status);
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int cancel_submitted(const std::filesystem::path& out) {
  const Submitted submitted = submitted_into(out);
  for (const std::string& id : submitted.ids) {
    said_by(engine_of(submitted).cancel({id, submitted.space}));
    fmt::print("cancelled: {} {}. What was committed is safe.\n", submitted.engine, id);
  }
  return 0;
}

}  // namespace palimpsest
