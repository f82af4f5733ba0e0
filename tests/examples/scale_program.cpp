// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The experiment at scale as its user meets it: tables, a picture, one line for what is wrong.

#include <doctest/doctest.h>

#include <string>

#include "support/program_run.hpp"
#include "support/xml.hpp"

namespace {

using reprise_test::Folder;
using reprise_test::Outcome;

Outcome run(const Folder& folder, const std::string& arguments) {
  return reprise_test::run_program(folder, SCALE_PROGRAM, arguments);
}

}  // namespace

TEST_CASE("a quick run prints its tables, the same each time but for the clock, and a picture") {
  const Folder folder;
  const Outcome first = run(folder, "--quick --pareto one.svg");
  REQUIRE(first.status == 0);
  CHECK(first.error.empty());
  for (const char* const part : {"| 530B |", "| 1T |", "(every-4)", "(selective)", "Of what `dtr`",
                                 "Of what a fixed", "Time of a plan"}) {
    CAPTURE(part);
    CHECK(first.output.find(part) != std::string::npos);
  }
  const Outcome second = run(folder, "--quick --pareto two.svg");
  const auto before_times = [](const std::string& text) {
    return text.substr(0, text.find("Time of a plan"));
  };
  CHECK(before_times(first.output) == before_times(second.output));
  CHECK(folder.read("one.svg") == folder.read("two.svg"));
  CHECK(reprise_test::XmlReader(folder.read("one.svg")).read().front().name == "svg");
}

TEST_CASE("seconds for costs") {
  const Folder folder;
  const Outcome outcome = run(folder, "--quick --cost seconds --model 175B");
  REQUIRE(outcome.status == 0);
  CHECK(outcome.output.find("175B as a program: 12 layers") != std::string::npos);
}

TEST_CASE("what is wrong is said in one line") {
  const Folder folder;
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--model 7B", "--model");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--step 1", "--step");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--tries -1", "--tries");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--plan-seconds -1", "--plan-seconds");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--plan-seconds nan", "--plan-seconds");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--tries nan", "--tries");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--quick --pareto nowhere/x.svg", "nowhere");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--quick --pareto ''", "an empty path");
  reprise_test::check_refused(folder, SCALE_PROGRAM, "--quick --pareto out", "stdout");
}
