// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// labels: reference
// traces: shared

// The replay program as its user meets it: one line for what is wrong, results that add up,
// pictures, and the published simulator's numbers.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/program_run.hpp"
#include "support/skip.hpp"
#include "support/traces.hpp"
#include "support/xml.hpp"

namespace {

using nlohmann::json;
using reprise_test::Folder;
using reprise_test::Outcome;

Outcome run(const Folder& folder, const std::string& arguments) {
  return reprise_test::run_program(folder, REPLAY_PROGRAM, arguments);
}

void check_refused(const Folder& folder, const std::string& arguments, const std::string& says) {
  reprise_test::check_refused(folder, REPLAY_PROGRAM, arguments, says);
}

std::string line(const json& object) { return object.dump() + "\n"; }

const std::string start = line({{"INSTRUCTION", "ANNOTATE"}, {"ANNOTATION", "START"}});

std::string memory(const std::string& name, const std::string& bytes) {
  return line({{"INSTRUCTION", "MEMORY"}, {"NAME", name}, {"MEMORY", bytes}});
}

std::string constant(const std::string& name, const std::string& bytes) {
  return line({{"INSTRUCTION", "CONSTANT"}, {"NAME", name}}) + memory(name, bytes);
}

std::string call(const std::vector<std::string>& arguments, const std::string& result,
                 const std::string& bytes, const std::string& time) {
  return line({{"INSTRUCTION", "CALL"},
               {"NAME", "f"},
               {"ARGS", arguments},
               {"RESULT", {result}},
               {"TIME", time}}) +
         memory(result, bytes) +
         line({{"INSTRUCTION", "ALIAS"}, {"NAME", result}, {"ALIAS", "-1"}});
}

std::string release(const std::string& name) {
  return line({{"INSTRUCTION", "RELEASE"}, {"NAME", name}});
}

// Forward through ten layers of 10 bytes and back: 110 bytes at the loss, of which 40 could do.
std::string sample() {
  std::string text = start + constant("x0", "10");
  for (int i = 1; i <= 10; ++i) {
    text += call({"x" + std::to_string(i - 1)}, "x" + std::to_string(i), "10", "100");
  }
  std::string gradient = "x10";
  for (int i = 9; i >= 0; --i) {
    const std::string next = "g" + std::to_string(i);
    text += call({gradient, "x" + std::to_string(i)}, next, "10", "150") + release(gradient);
    if (i > 0 && i < 10) text += release("x" + std::to_string(i));
    gradient = next;
  }
  return text;
}

json result_of(const Folder& folder, const std::string& arguments) {
  const Outcome outcome = run(folder, arguments + " --json result.json");
  CAPTURE(arguments);
  CAPTURE(outcome.error);
  REQUIRE(outcome.status == 0);
  return json::parse(folder.read("result.json"));
}

}  // namespace

TEST_CASE("bad options give one line and a failure") {
  const Folder folder;
  const std::string program = folder.write("sample.log", sample());
  check_refused(folder, "", "PROGRAM");
  check_refused(folder, "''", "PROGRAM: an empty path");
  check_refused(folder, "no.log", "cannot read no.log");
  check_refused(folder, ".", "cannot read .");
  for (const auto& [options, says] : std::vector<std::pair<std::string, std::string>>{
           {"--policy best",
            "there is no policy 'best'; choose store-all, every-n, sqrt, dtr, dtr-eq, dtr-local, "
            "msps, lru, largest, min-cut, search or balanced"},
           {"--every 0", "--every: '0' is no whole number from 1"},
           {"--every 2.5", "'2.5' is no whole number"},
           {"--every -1", "'-1' is no whole number"},
           {"--plan-seconds nan", "--plan-seconds: 'nan' is no number of seconds"},
           {"--plan-seconds -1", "'-1' is no number of seconds"},
           {"--plan-seconds soon", "'soon' is no number of seconds"},
           {"--plan-seconds 1e9", "'1e9' is no number of seconds"},
           {"--plan-tries 0", "--plan-tries: '0' is no whole number from 1"},
           {"--plan-tries 9 --plan-seconds 1", " excludes --plan-"},
           {"--replay-seconds nan", "--replay-seconds: 'nan' is no number of seconds"},
           {"--threads 0", "--threads: '0' is no whole number from 1"},
           {"--threads 1000000", "'1000000' is no whole number from 1"},
           {"--threads two", "'two' is no whole number"},
           {"--bound best", "--bound: there is no bound 'best'; choose exact"},
           {"--bound-seconds 1", "--bound"},
           {"--sweep --bound exact", "excludes"},
           {"--budget much", "'much' is not a size"},
           {"--budget ''", "is not a size"},
           {"--budget -1", "'-1' is not a size"},
           {"--budget 0", "no byte is too little"},
           {"--budget 0.0", "0.0 is no ratio"},
           {"--budget 1.5", "1.5 is no ratio"},
           {"--budget nan", "is not a size"},
           {"--baseline much", "'much' is not a size"},
           {"--baseline 0", "--baseline"},
           {"--json /no/such/folder/x", "there is no folder"},
           {"--timeline /no/such/folder/x", "there is no folder"},
           {"--sweep --pareto /no/such/folder/x", "there is no folder"},
           {"--json /", "it is a folder"},
           {"--json ''", "--json: an empty path"},
           {"--timeline ''", "--timeline: an empty path"},
           {"--sweep --pareto ''", "--pareto: an empty path"},
           {"--json /dev/null", "it is no regular file"},
           {"--timeline /dev/full", "it is no regular file"},
           {"--pareto x.svg", "--sweep"},
           {"--sweep --policy dtr", "excludes"},
           {"--sweep --budget 0.5", "excludes"},
           {"--sweep --timeline x.svg", "excludes"},
           {"--unknown", "--unknown"},
       }) {
    check_refused(folder, program + " " + options, says);
  }
  CHECK(run(folder, "--help").status == 0);
}

TEST_CASE("one file for two outputs, or for input and output, is refused and left as it is") {
  const Folder folder;
  static_cast<void>(folder.write("sample.log", sample()));
  static_cast<void>(folder.write("old", "old"));
  std::filesystem::create_symlink("old", folder.file("soft"));
  std::filesystem::create_hard_link(folder.file("old"), folder.file("hard"));
  std::filesystem::create_symlink("sample.log", folder.file("input"));
  for (const auto& [options, says] : std::vector<std::pair<std::string, std::string>>{
           {"--json new --timeline new", "--json new and --timeline new are one file"},
           {"--json new --timeline ./new", "are one file"},
           {"--json old --timeline soft", "are one file"},
           {"--json old --timeline hard", "are one file"},
           {"--json sample.log", "--json: sample.log is also read, as PROGRAM"},
           {"--timeline ./sample.log", "is also read"},
           {"--timeline input", "is also read"},
           {"--json out", "--json: out is where stdout goes"},
           {"--json err", "--json: err is where stderr goes"},
       }) {
    check_refused(folder, "sample.log " + options, says);
    check_refused(folder, "input " + options, says);
  }
  check_refused(folder, "sample.log --sweep --json sample-pareto.svg",
                "--json sample-pareto.svg and --pareto sample-pareto.svg are one file");
  CHECK(folder.read("sample.log") == sample());
  CHECK(folder.read("old") == "old");
  CHECK_FALSE(std::filesystem::exists(folder.file("new")));
}

TEST_CASE("a full disk behind stdout or an output is an error, and the old file stays") {
  const Folder folder;
  static_cast<void>(folder.write("sample.log", sample()));
  static_cast<void>(folder.write("old.json", "old"));
  static_cast<void>(folder.write("old.svg", "old"));
  const std::string replay = REPLAY_PROGRAM;
  for (const std::string arguments :
       {"sample.log --json old.json", "sample.log --sweep --plan-seconds 0 --pareto old.svg",
        "--help"}) {
    CAPTURE(arguments);
    const Outcome full = reprise_test::run_program(
        folder, "sh -c '" + replay + " " + arguments + " >/dev/full'", "");
    CHECK(full.status == 1);
    CHECK(full.error.starts_with("replay: cannot write to stdout"));
    CHECK(full.error.find('\n') == full.error.size() - 1);
  }
  // Files of 1 KiB at most: what is printed fits, a picture does not.
  reprise_test::check_refused(folder, "ulimit -f 2; " + replay,
                              "sample.log --policy store-all --timeline old.svg",
                              "cannot write old.svg: File too large");
  CHECK(folder.read("old.json") == "old");
  CHECK(folder.read("old.svg") == "old");
}

TEST_CASE("a pipe is a program too") {
  const Folder folder;
  static_cast<void>(folder.write("sample.log", sample()));
  const Outcome outcome = reprise_test::run_program(
      folder, "sh -c 'cat sample.log | " REPLAY_PROGRAM " /dev/stdin --json result.json'", "");
  CHECK(outcome.status == 0);
  CHECK(json::parse(folder.read("result.json"))["model_compute"] == 2500);
}

TEST_CASE("a line of 200,000 brackets gives one line and a failure, or is skipped") {
  const Folder folder;
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  static_cast<void>(folder.write("bad.log", start + deep + "\n"));
  check_refused(folder, "bad.log", "bad.log:2: not a JSON object");
  static_cast<void>(folder.write(
      "bad.log",
      start + R"({"INSTRUCTION":"CALL","NAME":"f","ARGS":[],"RESULT":[],"TIME":)" + deep + "}\n"));
  check_refused(folder, "bad.log", "bad.log:2: TIME is not a whole number");
  static_cast<void>(folder.write("good.log", deep + "\n" + sample()));
  CHECK(result_of(folder, "good.log")["model_compute"] == 2500);
}

TEST_CASE("a malformed program gives one line with its number and a failure") {
  const Folder folder;
  const std::string good = start + constant("w", "8");
  for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
           {"", "bad.log:1: it ends without an ANNOTATE START"},
           {good + "{\"INSTRUCTION\":", "bad.log:4: malformed JSON"},
           {good + line({{"INSTRUCTION", "CONSTANT"}, {"NAME", "v"}}),
            "bad.log:4: it ends inside a record: MEMORY of v is missing"},
           {good + call({"v"}, "a", "1", "1"), "bad.log:4: v is not defined"},
           {good + constant("v", "-1"), "bad.log:5: MEMORY is negative: -1"},
           {good + constant("w", "1"), "bad.log:4: w is defined a second time"},
           {good + line({{"INSTRUCTION", "line\nbreak"}}), "bad.log:4: unknown INSTRUCTION line"},
       }) {
    static_cast<void>(folder.write("bad.log", text));
    check_refused(folder, "bad.log --policy store-all", says);
  }
}

TEST_CASE("a truncated archive gives one line and a failure") {
  const Folder folder;
  static_cast<void>(folder.write("sample.log", sample()));
  for (const auto& [program, ending] :
       {std::pair<std::string, std::string>{"gzip", ".gz"}, {"xz", ".xz"}}) {
    if (reprise_test::run_program(folder, program, "-k sample.log").status != 0) {
      return reprise_test::skip("gzip or xz is not installed");
    }
    const std::string archive = folder.read("sample.log" + ending);
    static_cast<void>(folder.write("cut.log" + ending, archive.substr(0, archive.size() / 2)));
    check_refused(folder, "cut.log" + ending, "the archive is truncated");
    check_refused(folder, "cut.log" + ending, "cut.log" + ending + ":");
    CHECK(result_of(folder, "sample.log" + ending)["program"] == "sample");
  }
}

TEST_CASE("a result says what was asked and what it took") {
  const Folder folder;
  const std::string program = folder.write("sample.log", sample());
  SUBCASE("without a budget nothing is recomputed") {
    const json result = result_of(folder, program + " --policy store-all");
    CHECK(result["program"] == "sample");
    CHECK(result["policy"] == "store-all");
    CHECK(result["budget_bytes"].is_null());
    CHECK(result["ratio"].is_null());
    CHECK(result["result"] == "pass");
    CHECK(result["model_compute"] == 2500);
    CHECK(result["remat_compute"] == 0);
    CHECK(result["overhead"] == 1);
    CHECK(result["peak_bytes"] == 120);
    CHECK(result["evictions"] == 0);
    CHECK(result["seconds"].get<double>() >= 0);
    CHECK(result_of(folder, program + " --policy dtr")["peak_bytes"] == 120);
  }
  SUBCASE("a ratio is of the baseline, which is the program's own or one that is given") {
    const json own = result_of(folder, program + " --policy dtr --budget 0.5");
    CHECK(own["budget_bytes"] == 60);
    CHECK(own["ratio"] == 0.5);
    const json given = result_of(folder, program + " --budget 0.7 --baseline 100");
    CHECK(given["budget_bytes"] == 70);
    CHECK(given["ratio"] == 0.7);
    CHECK(result_of(folder, program + " --budget 1.0")["budget_bytes"] == 120);
    CHECK(result_of(folder, program + " --budget 30")["ratio"] == 0.25);
  }
  SUBCASE("each policy keeps its budget or says that it does not") {
    for (const std::string policy :
         {"dtr", "dtr-eq", "dtr-local", "msps", "lru", "largest", "min-cut",
          "search --plan-tries 50", "balanced --plan-tries 50"}) {
      for (const int bytes : {20, 40, 50, 60, 80, 100}) {
        CAPTURE(policy);
        CAPTURE(bytes);
        const json result = result_of(
            folder, program + " --policy " + policy + " --budget " + std::to_string(bytes) + "B");
        if (result["result"] == "pass") {
          CHECK(result["peak_bytes"] <= bytes);
          CHECK(result["evictions"] > 0);
          CHECK(result["overhead"].get<double>() ==
                doctest::Approx(1 + result["remat_compute"].get<double>() / 2500));
        } else {
          CHECK(result["peak_bytes"].is_null());
          CHECK(result["overhead"].is_null());
          CHECK(result["remat_compute"].is_null());
        }
        if (bytes == 20) CHECK(result["result"] == "oom");  // an operator alone needs 30 and x0
        if (bytes == 100) CHECK(result["result"] == "pass");
      }
    }
    CHECK(result_of(folder, program + " --policy store-all --budget 119")["result"] == "oom");
    CHECK(result_of(folder, program + " --policy store-all --budget 120")["result"] == "pass");
  }
}

TEST_CASE("an online policy that takes too long says so") {
  const Folder folder;
  const std::string program = folder.write("sample.log", sample());
  for (const std::string policy : {"dtr", "dtr-eq", "lru"}) {
    CAPTURE(policy);
    const json result = result_of(
        folder, program + " --budget 0.5 --replay-seconds 0 --timeline t.svg --policy " + policy);
    CHECK(result["result"] == "timeout");
    for (const char* const unknown : {"evictions", "peak_bytes", "overhead", "lower_bound"}) {
      CHECK(result[unknown].is_null());
    }
    CHECK(folder.read("out").find("it gave up after 1 of 20 operations: --replay-seconds") !=
          std::string::npos);
    CHECK(reprise_test::overlaps(reprise_test::read_xml(folder.read("t.svg"))) == "");
  }
  // Who plans has a time of its own.
  CHECK(
      result_of(folder, program + " --budget 0.7 --replay-seconds 0 --policy min-cut")["result"] ==
      "pass");
}

TEST_CASE("static checkpoints have one shape, whatever the budget") {
  const Folder folder;
  const std::string program = folder.write("sample.log", sample());
  // Most is live in the first operation after the ten layers: eleven are the forward pass.
  for (const auto& expected : std::vector<std::pair<std::string, int>>{
           {"every-n", 600},            // x1 to x3 and x5 to x7
           {"every-n --every 5", 700},  // x1 to x4 and x6 to x8: x9 too is read past a border
           {"every-n --every 1", 0},
           {"every-n --every 100", 0},
           {"sqrt", 600},  // groups of 3
       }) {
    const std::string& policy = expected.first;
    const int recomputed = expected.second;
    CAPTURE(policy);
    const json result = result_of(folder, program + " --policy " + policy);
    CHECK(result["remat_compute"] == recomputed);
    CHECK(result["lower_bound"].is_null());
    CHECK(result["plan_seconds"].is_null());
    const int peak = result["peak_bytes"].get<int>();
    CHECK((recomputed == 0) == (peak == 120));
    const std::string within = program + " --policy " + policy + " --budget ";
    CHECK(result_of(folder, within + std::to_string(peak))["remat_compute"] == recomputed);
    CHECK(result_of(folder, within + std::to_string(peak - 1))["result"] == "oom");
  }
  // x0, x4, x5 to x7, and two gradients.
  CHECK(result_of(folder, program + " --policy every-n")["peak_bytes"] == 70);
}

TEST_CASE("a planner says what it took and what it proves") {
  const Folder folder;
  const std::string program = folder.write("sample.log", sample());
  double least = 0;
  for (const std::string policy :
       {"min-cut", "search --plan-tries 500", "balanced --plan-tries 500",
        "search --threads 1 --plan-tries 500"}) {
    CAPTURE(policy);
    const json result = result_of(folder, program + " --policy " + policy + " --budget 0.7");
    REQUIRE(result["result"] == "pass");
    CHECK(result["plan_seconds"].get<double>() > 0);
    CHECK(result["plan_seconds"].get<double>() <= result["seconds"].get<double>());
    CHECK(result["lower_bound"].get<double>() > 0);
    CHECK(result["lower_bound"].get<double>() <= result["remat_compute"].get<double>());
    if (policy == "min-cut") least = result["remat_compute"].get<double>();
    CHECK(result["remat_compute"].get<double>() <= least);
    const std::string output = folder.read("out");
    CHECK(output.find("\nlower bound ") != std::string::npos);
    CHECK(output.find("\ngap            at most ") != std::string::npos);
    CHECK(output.find("\nplanned in ") != std::string::npos);
  }
  SUBCASE("where nothing is recomputed it is the least") {
    const json result = result_of(folder, program + " --policy min-cut");
    CHECK(result["remat_compute"] == 0);
    CHECK(result["lower_bound"] == 0);
    CHECK(folder.read("out").find("at most 0.00 %") != std::string::npos);
  }
  SUBCASE("a budget that it does not meet is a result with its reason") {
    const json result =
        result_of(folder, program + " --policy min-cut --budget 20 --timeline t.svg");
    CHECK(result["result"] == "oom");
    CHECK(result["lower_bound"].is_null());
    CHECK(result["plan_seconds"].get<double>() > 0);
    CHECK(folder.read("out").find("a budget of 20 bytes") != std::string::npos);
    CHECK(reprise_test::overlaps(reprise_test::read_xml(folder.read("t.svg"))) == "");
  }
  SUBCASE("who does not plan says neither") {
    const json result = result_of(folder, program + " --policy dtr --budget 0.6");
    CHECK(result["plan_seconds"].is_null());
    CHECK(result["lower_bound"].is_null());
  }
}

TEST_CASE("an exact bound is between what is free and what is reached") {
  const Folder folder;
  const std::string program = folder.write("sample.log", sample());
  const std::string exact = program + " --bound exact --policy ";
  if (run(folder, exact + "dtr").status != 0) {
    return check_refused(folder, exact + "dtr", "there is no solver");
  }
  for (const std::string policy : {"min-cut", "search --plan-seconds 0.05", "dtr", "msps"}) {
    for (const std::string ratio : {"0.4", "0.6", "0.8"}) {
      CAPTURE(policy);
      CAPTURE(ratio);
      const json result = result_of(folder, exact + policy + " --budget " + ratio);
      const json cut = result_of(folder, program + " --policy min-cut --budget " + ratio);
      if (!cut["lower_bound"].is_null()) {
        CHECK(result["lower_bound"].get<double>() >= cut["lower_bound"].get<double>());
      }
      if (result["result"] != "pass") continue;
      CHECK(result["lower_bound"].get<double>() <= result["remat_compute"].get<double>());
    }
  }
  CHECK(result_of(folder, exact + "dtr")["lower_bound"] == 0);
  const json nothing_fits = result_of(folder, exact + "min-cut --budget 5");
  CHECK(nothing_fits["lower_bound"].is_null());
  CHECK(folder.read("out").find("no exact plan fits") != std::string::npos);
}

TEST_CASE("a program that does nothing is replayed too") {
  const Folder folder;
  const std::string program = folder.write("empty.log", start);
  const json result = result_of(folder, program + " --budget 0.5 --timeline t.svg");
  CHECK(result["result"] == "pass");
  CHECK(result["overhead"] == 1);
  CHECK(reprise_test::overlaps(reprise_test::read_xml(folder.read("t.svg"))) == "");
  CHECK(run(folder, program + " --sweep --plan-seconds 0").status == 0);
}

TEST_CASE("a timeline is drawn, of a failure too") {
  const Folder folder;
  const std::string program = folder.write("a & b.log", sample());
  for (const std::string options : {"--policy dtr-eq --budget 0.5", "--budget 1"}) {
    CAPTURE(options);
    REQUIRE(run(folder, "'" + program + "' " + options + " --timeline t.svg").status == 0);
    const auto picture = reprise_test::read_xml(folder.read("t.svg"));
    CHECK(picture[1].text.starts_with("a & b under dtr"));
    CHECK(reprise_test::overlaps(picture) == "");
  }
}

TEST_CASE("a sweep prints, lists and draws each policy") {
  const Folder folder;
  static_cast<void>(folder.write("sample.log", sample()));
  const json results = result_of(folder, "sample.log --sweep --plan-tries 20");
  CHECK(results.size() == 3 + 9 * 9);
  const std::string output = folder.read("out");
  const auto picture = reprise_test::read_xml(folder.read("sample-pareto.svg"));
  CHECK(reprise_test::overlaps(picture) == "");
  for (const std::string policy : {"store-all", "every-n", "sqrt", "dtr", "dtr-eq", "dtr-local",
                                   "msps", "lru", "largest", "min-cut", "search", "balanced"}) {
    CAPTURE(policy);
    CHECK(output.find("\n" + policy + " ") != std::string::npos);
    CHECK(std::ranges::any_of(picture, [&](const auto& e) { return e.text == policy; }));
    CHECK(std::ranges::any_of(results, [&](const json& r) { return r["policy"] == policy; }));
  }
  CHECK(output.find("\nat least ") != std::string::npos);
  CHECK(folder.read("err").empty());  // no bar where there is no terminal
  REQUIRE(run(folder, "sample.log --sweep --plan-tries 20 --pareto other.svg").status == 0);
  CHECK(folder.read("other.svg") == folder.read("sample-pareto.svg"));
}

TEST_CASE("the published simulator's table comes out") {
  const std::filesystem::path traces = reprise_test::traces();
  if (!std::filesystem::exists(traces)) return reprise_test::skip("there is no shared/traces");
  const Folder folder;
  auto rows = reprise_test::read_table(traces / "reference.csv");
  std::vector<std::pair<std::string, std::string>> names{{"DTR", "dtr"},
                                                         {"DTREqClass", "dtr-eq"},
                                                         {"DTRLocal", "dtr-local"},
                                                         {"MSPS", "msps"},
                                                         {"LRU", "lru"}};
  std::size_t compared = 0;
  for (const std::string model : {"resnet32", "unet", "transformer", "inceptionv4"}) {
    const json results =
        result_of(folder, (traces / (model + ".log.xz")).string() + " --sweep --plan-seconds 0");
    for (auto& row : rows) {
      if (row["model"] != model) continue;
      const auto name =
          std::ranges::find(names, row["heuristic"], &std::pair<std::string, std::string>::first);
      REQUIRE(name != names.end());
      const auto found = std::ranges::find_if(results, [&](const json& result) {
        return result["policy"] == name->second && result["ratio"] == std::stod(row["ratio"]);
      });
      REQUIRE(found != results.end());
      CAPTURE(model);
      CAPTURE(name->second);
      CAPTURE(row["ratio"]);
      ++compared;
      CHECK(std::to_string((*found)["budget_bytes"].get<std::size_t>()) == row["budget_bytes"]);
      CHECK((*found)["result"] == row["result"]);
      if (row["result"] != "pass") continue;
      CHECK(std::to_string((*found)["remat_compute"].get<std::size_t>()) == row["remat_compute"]);
      CHECK(std::to_string((*found)["peak_bytes"].get<std::size_t>()) == row["max_memory"]);
      CHECK((*found)["overhead"].get<double>() ==
            doctest::Approx(std::stod(row["overhead"])).epsilon(5e-5));
    }
  }
  CHECK(compared == rows.size());
}
