#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "launch/submit.h"

namespace palimpsest {

/// A command as it would be typed, "@FILE" being `file`.
std::string shown(const std::vector<std::string>& command, const std::string& file);

/// Writes the submission's file into the results folder, runs its commands, and remembers the jobs' ids there (submitted.json). Throws InputError
/// with what the batch system said where it refuses; what it took before is remembered.
std::vector<std::string> hand_over_to(const Engine&, const Submission&, const std::filesystem::path& out);

bool was_submitted(const std::filesystem::path& out);
std::vector<std::filesystem::path> slices_in(const std::filesystem::path& out);   // folders of an array's slices that have begun

/// A job and what the batch system says of it now; throws InputError where nothing was submitted.
struct JobStanding {
  std::string id, said;
};
std::vector<JobStanding> standing_of_jobs(const std::filesystem::path& out);
int tell_submitted(const std::filesystem::path& out);     // prints it
/// The same for scripts, with the status of slices (JSON) by the names of their folders.
std::string submitted_json(const std::filesystem::path& out, const std::map<std::string, std::string>& slices);
int cancel_submitted(const std::filesystem::path& out);   // throws InputError where nothing was submitted

}  // namespace palimpsest
