#include "launch/commands.h"

namespace palimpsest {

const std::vector<Command>& commands() {
  static const std::vector<Command> list = {
      {"plan", "show what a sweep would run: axes, runs, packs, time", add_plan, Ranks::kFirst},
      {"pretrain", "train slow weights, or go on from the last checkpoint", add_pretrain, Ranks::kAll, needs_of_pretraining},
      {"sweep", "run a sweep, or what is left or new of it", add_sweep, Ranks::kAll, needs_of_sweep},
      {"images", "pack a folder of images into tar shards", add_images, Ranks::kFirst},
      {"features", "what the blocks of an encoder make of images, as safetensors", add_features, Ranks::kFirst},
      {"evaluate", "how well slow weights tell labelled images apart, by layer; reconstruction error", add_evaluate, Ranks::kFirst},
      {"weights", "slow weights from and for other libraries: import, export, inspect", add_weights, Ranks::kFirst},
      {"status", "how far a sweep is, while it runs or after", add_status, Ranks::kFirst},
      {"show", "everything known of one run", add_show, Ranks::kFirst},
      {"logs", "a run's attempts, and the lines of the log that tell of it", add_logs, Ranks::kFirst},
      {"explain", "why a run has not run yet", add_explain, Ranks::kFirst},
      {"reproduce", "run a run again and compare its bits with the ledger's", add_reproduce, Ranks::kFirst},
      {"ledger", "examine a damaged ledger, and save what is whole in it: check, salvage", add_ledger, Ranks::kFirst},
      {"cancel", "end a sweep at work in order, and the job it was submitted as; it can be resumed", add_cancel, Ranks::kFirst},
      {"watch", "the same, live, in the terminal or as a page on this machine", add_watch, Ranks::kFirst},
      {"report", "judge a sweep's claims; write report.html, figures and tables", add_report, Ranks::kFirst},
      {"power", "how many units an effect needs, by how much units vary in a ledger", add_power, Ranks::kFirst},
      {"export", "write every measurement as tidy CSV", add_export, Ranks::kFirst},
      {"init", "write a definition to start from: every key, its default and meaning", add_init, Ranks::kFirst},
      {"schema", "JSON Schema of a study's definitions, for editors", add_schema, Ranks::kFirst},
      {"doctor", "what this machine has for a run: devices, MPI, disk, limits; what to do about the rest", add_doctor, Ranks::kFirst},
      {"submit", "hand a sweep or a pretraining to Slurm, Kubernetes, AWS Batch or SkyPilot", add_submit, Ranks::kFirst},
      {"launch", "run a command over N ranks: the right mpirun, restarts, nothing left behind", add_launch, Ranks::kFirst},
      {"pairs", "what launch tries the network of all hosts with", add_pairs, Ranks::kAll},
      {"peer", "what launch asks other hosts with", add_peer, Ranks::kFirst},
  };
  return list;
}

}  // namespace palimpsest
