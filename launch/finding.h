#pragma once

#include <string>
#include <vector>

namespace palimpsest {

/// One thing that was looked at before work begins.
enum class Grade {
  kGood,
  kNote,   // a run works, but slower or less safely than it could
  kStops,  // a run would not work
};

struct Finding {
  std::string what;  // "results folder"
  Grade grade = Grade::kGood;
  std::string found;   // "ext4, 0.1 ms a commit, 40 GiB free"
  std::string means;   // what follows from it for a run
  std::string advice;  // what to do; empty where there is nothing
};

bool stops(const std::vector<Finding>&);  // whether any does

/// A line each: grade, what, found, what it means, what to do.
std::string findings_text(const std::vector<Finding>&);
std::string findings_json(const std::vector<Finding>&);

}  // namespace palimpsest
