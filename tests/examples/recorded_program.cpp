// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// labels: reference
// traces: shared

// The reader of recorded programs: what each instruction means, what it refuses, and that the
// programs of shared/traces need the memory and compute that their reference tables say.

#include "recorded_program.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <reprise/program/ledger.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log_source.hpp"
#include "malformed_program.hpp"
#include "support/program_run.hpp"
#include "support/skip.hpp"
#include "support/traces.hpp"

namespace {

using replay::RecordedProgram;
using reprise::ValueKind;
using reprise_test::Folder;
using Ids = std::vector<std::uint32_t>;

const std::string start = R"({"INSTRUCTION":"ANNOTATE","ANNOTATION":"START"})"
                          "\n";

std::string constant(const std::string& name, const std::string& bytes) {
  return R"({"INSTRUCTION":"CONSTANT","NAME":")" + name + "\"}\n" +
         R"({"INSTRUCTION":"MEMORY","NAME":")" + name + R"(","MEMORY":")" + bytes + "\"}\n";
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "\"" : ",\"") + name + "\"";
  return "[" + text + "]";
}

struct Result {
  std::string name;
  std::string bytes;
  std::string alias = "-1";
};

std::string call(const std::string& name, const std::vector<std::string>& arguments,
                 const std::vector<Result>& results, const std::string& time = "1") {
  std::vector<std::string> names;
  for (const Result& result : results) names.push_back(result.name);
  std::string text = R"({"INSTRUCTION":"CALL","NAME":")" + name + R"(","ARGS":)" + list(arguments) +
                     R"(,"RESULT":)" + list(names) + R"(,"TIME":")" + time + "\"}\n";
  for (const auto& [result, bytes, alias] : results) {
    text += R"({"INSTRUCTION":"MEMORY","NAME":")" + result + R"(","MEMORY":")" + bytes + "\"}\n";
    text += R"({"INSTRUCTION":"ALIAS","NAME":")" + result + R"(","ALIAS":")" + alias + "\"}\n";
  }
  return text;
}

std::string mutate(const std::vector<std::string>& arguments, const std::string& indices) {
  return R"({"INSTRUCTION":"MUTATE","NAME":"add_","ARGS":)" + list(arguments) + R"(,"MUTATE":)" +
         indices + R"(,"TIME":7})" + "\n";
}

std::string copy(const std::string& destination, const std::string& source) {
  return R"({"INSTRUCTION":"COPY","DST":")" + destination + R"(","SRC":")" + source + "\"}\n";
}

std::string copy_from(const std::string& destination, const std::string& source) {
  return R"({"INSTRUCTION":"COPY_FROM","DST":")" + destination + R"(","SRC":")" + source + "\"}\n";
}

std::string release(const std::string& name) {
  return R"({"INSTRUCTION":"RELEASE","NAME":")" + name + "\"}\n";
}

RecordedProgram parse_whole(const std::string& text, std::size_t piece = std::string::npos) {
  replay::LogText source(text, piece);
  return replay::parse_recorded_program("log", source);
}

RecordedProgram parse(const std::string& text) { return parse_whole(start + text); }

// What a file holds, unpacked.
std::string unpacked(const std::string& path) {
  const auto source = replay::open_log(path);
  std::string text;
  for (std::string_view piece = source->next(); !piece.empty(); piece = source->next()) {
    text += piece;
  }
  CHECK(source->next().empty());
  return text;
}

// The first line after the START is line 2.
void check_refused(const std::string& text, std::size_t line, const std::string& what) {
  CAPTURE(text);
  try {
    static_cast<void>(parse(text));
    FAIL_CHECK("accepted");
  } catch (const replay::MalformedProgram& error) {
    CHECK(error.line() == line);
    CHECK(std::string(error.what()) == "log:" + std::to_string(line) + ": " + what);
  }
}

Ids results_of(const RecordedProgram& recorded) {
  return {recorded.program.results().begin(), recorded.program.results().end()};
}

const Ids& releases_of(const RecordedProgram& recorded, std::size_t op) {
  return recorded.program.operations()[op].releases;
}

}  // namespace

TEST_CASE("constants, calls and what is left at the end") {
  const RecordedProgram recorded =
      parse(constant("w", "100") + call("mul", {"w", "w"}, {{"a", "10"}}, "3") + release("w") +
            call("split", {"a"}, {{"b", "20"}, {"c", "30"}}, "4") + release("b") + release("a"));
  const reprise::Program& program = recorded.program;
  REQUIRE(program.values().size() == 4);
  CHECK(program.values()[0].kind == ValueKind::constant);
  CHECK(program.values()[0].bytes == 100);
  CHECK(recorded.names == std::vector<std::string>{"w", "a", "b", "c"});
  CHECK(recorded.operators == std::vector<std::string>{"mul", "split"});
  REQUIRE(program.operations().size() == 2);
  CHECK(program.operations()[0].reads == Ids{0, 0});
  CHECK(program.operations()[0].writes == Ids{1});
  CHECK(program.operations()[0].releases.empty());  // a constant stays
  CHECK(program.operations()[1].writes == Ids{2, 3});
  CHECK(program.operations()[1].releases == Ids{2, 1});
  CHECK(program.operations()[1].repeatable);
  CHECK_FALSE(program.has_loss());
  CHECK(results_of(recorded) == Ids{3});
  CHECK(baseline_compute(recorded) == 7);
  // The constant is freed before split runs.
  CHECK(baseline_bytes(recorded) == 110);
}

TEST_CASE("a constant that comes later takes no bytes before, and stays") {
  const RecordedProgram recorded =
      parse(constant("w", "100") + call("f", {"w"}, {{"a", "50"}}) + constant("v", "20") +
            call("g", {"a", "v"}, {{"b", "1"}}) + release("a") + release("v") +
            call("h", {"b"}, {{"c", "40"}}));
  const reprise::Program& program = recorded.program;
  CHECK(recorded.operators == std::vector<std::string>{"f", "constant", "g", "h"});
  CHECK(program.operations()[1].writes == Ids{2});
  CHECK(program.operations()[1].cost == 0);
  CHECK_FALSE(program.operations()[1].repeatable);
  CHECK(program.values()[2].stays);
  CHECK(releases_of(recorded, 2) == Ids{1});
  CHECK(results_of(recorded) == Ids{3, 4});
  CHECK(baseline_bytes(recorded) == 171);
  reprise::Ledger ledger(program);
  ledger.apply(reprise::Action::run(0));
  CHECK(ledger.live_bytes() == 150);
}

TEST_CASE(
    "everything before the start is skipped, blank lines and later annotations mean nothing") {
  const RecordedProgram recorded =
      parse_whole(constant("x", "1") + "not JSON\n[1]\n" + start + "\n" + constant("w", "5") +
                  start + "  \r\n" + R"({"INSTRUCTION":"ANNOTATE","ANNOTATION":"BACKWARD"})");
  CHECK(recorded.names == std::vector<std::string>{"w"});
}

TEST_CASE("numbers are texts or integers") {
  const RecordedProgram recorded = parse(R"({"INSTRUCTION":"CONSTANT","NAME":"w"})"
                                         "\n"
                                         R"({"INSTRUCTION":"MEMORY","NAME":"w","MEMORY":12})"
                                         "\n" +
                                         mutate({"w"}, R"(["0"])"));
  CHECK(recorded.program.values()[0].bytes == 12);
  CHECK(baseline_compute(recorded) == 7);
}

TEST_CASE("an alias shares the storage of an argument, through other aliases too") {
  const RecordedProgram recorded =
      parse(constant("w", "100") + call("f", {"w"}, {{"a", "10"}}) +
            call("view", {"w", "a"}, {{"b", "10", "1"}}) + call("view", {"b"}, {{"c", "10", "0"}}) +
            release("a") + release("b") + call("f", {"w"}, {{"d", "1"}}) + release("c"));
  const auto values = recorded.program.values();
  CHECK(values[2].view_of == 1);
  CHECK(values[3].view_of == 2);
  CHECK(values[2].bytes == 0);
  CHECK(baseline_bytes(recorded) == 111);  // c keeps a's bytes until d is there
}

TEST_CASE("MUTATE makes a new value of the size of the old one's storage") {
  const RecordedProgram recorded =
      parse(constant("w", "100") + call("f", {"w"}, {{"a", "10"}}) +
            call("view", {"a"}, {{"b", "10", "0"}}) + mutate({"w", "b"}, "[1]") + release("a"));
  REQUIRE(recorded.program.values().size() == 4);
  CHECK(recorded.program.values()[3].bytes == 10);
  CHECK_FALSE(recorded.program.values()[3].view_of.has_value());
  CHECK(recorded.names[3] == "b");
  CHECK(recorded.operators[2] == "add_");
  CHECK(recorded.program.operations()[2].reads == Ids{0, 2});
  CHECK(recorded.program.operations()[2].writes == Ids{3});
  CHECK(releases_of(recorded, 2) == Ids{2, 1});
  CHECK(results_of(recorded) == Ids{3});
  CHECK(baseline_bytes(recorded) == 120);
}

TEST_CASE("MUTATE of a constant leaves the constant to its other names") {
  const RecordedProgram recorded = parse(constant("w", "100") + copy("v", "w") +
                                         mutate({"w"}, "[0]") + call("f", {"v"}, {{"a", "1"}}));
  CHECK(recorded.program.operations()[1].reads == Ids{0});
  CHECK(results_of(recorded) == Ids{1, 2});
  CHECK(baseline_bytes(recorded) == 201);
}

TEST_CASE("COPY and COPY_FROM move references only") {
  const std::string made = constant("w", "8") + call("f", {"w"}, {{"a", "1"}, {"b", "2"}});
  SUBCASE("a value goes with its last name") {
    const RecordedProgram recorded = parse(made + copy("c", "a") + release("a") + release("b") +
                                           call("g", {"c"}, {}) + release("c"));
    CHECK(releases_of(recorded, 0) == Ids{2});
    CHECK(releases_of(recorded, 1) == Ids{1});
    CHECK(results_of(recorded).empty());
  }
  SUBCASE("COPY_FROM gives up what the name meant") {
    const RecordedProgram recorded = parse(made + copy_from("a", "b") + release("b"));
    CHECK(releases_of(recorded, 0) == Ids{1});
    CHECK(results_of(recorded) == Ids{2});
  }
  SUBCASE("COPY_FROM a name to itself") {
    const RecordedProgram recorded = parse(made + copy_from("a", "a"));
    CHECK(releases_of(recorded, 0).empty());
    CHECK(results_of(recorded) == Ids{1, 2});
  }
}

TEST_CASE("results come in the order of the first definition of their names, each once") {
  const std::string made =
      constant("w", "8") + call("f", {"w"}, {{"a", "1"}}) + call("f", {"w"}, {{"b", "1"}});
  CHECK(results_of(parse(made + copy("c", "a"))) == Ids{1, 2});
  CHECK(results_of(parse(made + copy("c", "a") + release("a"))) == Ids{1, 2});
  CHECK(results_of(parse(made + mutate({"a"}, "[0]"))) == Ids{3, 2});
  CHECK(results_of(parse(made + copy_from("a", "b"))) == Ids{2});
  CHECK(results_of(parse(made + release("a"))) == Ids{2});
}

TEST_CASE("RELEASE of a name that was never defined is ignored") {
  CHECK(parse(release("x") + constant("w", "8")).program.values().size() == 1);
}

TEST_CASE("malformed programs name the line") {
  const std::string w = constant("w", "8");  // lines 2 and 3
  check_refused(w + "{\"INSTRUCTION\":", 4, "malformed JSON");
  check_refused(w + "7\n", 4, "not a JSON object");
  check_refused(w + "{}\n", 4, "a line without INSTRUCTION");
  check_refused(w + "{\"INSTRUCTION\":1}\n", 4, "INSTRUCTION is not a text");
  check_refused(w + "{\"INSTRUCTION\":\"JUMP\"}\n", 4, "unknown INSTRUCTION JUMP");
  check_refused(w + "{\"INSTRUCTION\":\"RELEASE\"}\n", 4, "RELEASE without NAME");
  check_refused(w + "{\"INSTRUCTION\":\"MEMORY\",\"NAME\":\"w\",\"MEMORY\":1}\n", 4,
                "MEMORY that follows no CONSTANT or CALL");

  SUBCASE("cut inside a record") {
    check_refused("{\"INSTRUCTION\":\"CONSTANT\",\"NAME\":\"w\"}\n", 2,
                  "it ends inside a record: MEMORY of w is missing");
    const std::string cut = call("f", {"w"}, {{"a", "1"}, {"b", "2"}});
    const std::string without_alias = cut.substr(0, cut.rfind("{\"INSTRUCTION\""));
    check_refused(w + without_alias, 7, "it ends inside a record: ALIAS of b is missing");
    check_refused(w + without_alias + release("a"), 8,
                  "a record is cut: here should be ALIAS of b, not RELEASE");
    check_refused(w + "{\"INSTRUCTION\":\"CONSTANT\",\"NAME\":\"v\"}\n" + constant("u", "1"), 5,
                  "a record is cut: here should be MEMORY of v, not CONSTANT");
  }
  SUBCASE("names") {
    check_refused(w + release("x") + call("f", {"w", "x"}, {}), 5, "x is not defined");
    check_refused(w + copy("v", "x"), 4, "x is not defined");
    check_refused(w + copy_from("x", "w"), 4, "x is not defined");
    check_refused(w + mutate({"x"}, "[0]"), 4, "x is not defined");
    check_refused(w + constant("w", "1"), 4, "w is defined a second time");
    check_refused(w + call("f", {}, {{"a", "1"}, {"a", "1"}}), 8, "a is defined a second time");
    check_refused(w + copy("w", "w"), 4, "w is defined a second time");
    check_refused(w + release("w") + release("w"), 5, "w was released before");
    check_refused(w + release("w") + call("f", {"w"}, {}), 5, "w was released before");
  }
  SUBCASE("numbers") {
    check_refused(constant("w", "-8"), 3, "MEMORY is negative: -8");
    check_refused(constant("w", "8x"), 3, "MEMORY is not a whole number: \"8x\"");
    check_refused(constant("w", ""), 3, "MEMORY is not a whole number: \"\"");
    check_refused(constant("w", "9223372036854775808"), 3,
                  "MEMORY is not a whole number: \"9223372036854775808\"");
    check_refused(constant("w", "9223372036854775807"), 3,
                  "with this MEMORY the sum passes 9007199254740992");
    check_refused(w + call("f", {"w"}, {}, "-1"), 4, "TIME is negative: -1");
    check_refused(w + call("f", {"w"}, {}, "1.5"), 4, "TIME is not a whole number: \"1.5\"");
  }
  SUBCASE("indices") {
    check_refused(w + mutate({"w"}, "[1]"), 4, "MUTATE names argument 1 of 1");
    check_refused(w + mutate({"w"}, "[-1]"), 4, "MUTATE names argument -1 of 1");
    check_refused(w + mutate({"w"}, "[\"w\"]"), 4, "MUTATE is not a whole number: \"w\"");
    check_refused(w + mutate({"w"}, "0"), 4, "MUTATE is not a list");
    check_refused(w + call("f", {"w"}, {{"a", "1", "1"}}), 6, "ALIAS names argument 1 of 1");
    check_refused(w + call("f", {"w"}, {{"a", "1", "-2"}}), 6, "ALIAS names argument -2 of 1");
  }
}

TEST_CASE(
    "values nested 200,000 deep are skipped where they mean nothing and refused where they do") {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
  objects += "1" + std::string(200'000, '}');
  const std::string w = constant("w", "8");  // lines 2 and 3
  for (const std::string& nested : {deep, objects}) {
    const std::string unknown = R"({"INSTRUCTION":"RELEASE","NAME":"v","X":)" + nested + "}\n";
    CHECK(parse(w + unknown).program.values().size() == 1);
    CHECK(parse_whole(nested + "\n{\"ANNOTATION\":" + nested + "}\n" + start + w)
              .program.values()
              .size() == 1);
    const std::string dots = nested == deep ? "[...]" : "{...}";
    check_refused(w + R"({"INSTRUCTION":"RELEASE","NAME":)" + nested + "}\n", 4,
                  "NAME is not a text");
    check_refused(w + R"({"INSTRUCTION":)" + nested + "}\n", 4, "INSTRUCTION is not a text");
    check_refused(w + R"({"INSTRUCTION":"CALL","NAME":"f","ARGS":[)" + nested +
                      "],\"RESULT\":[],\"TIME\":1}\n",
                  4, "ARGS is not a list of names");
    check_refused(
        w + R"({"INSTRUCTION":"CALL","NAME":"f","ARGS":[],"RESULT":[],"TIME":)" + nested + "}\n", 4,
        "TIME is not a whole number: " + dots);
    check_refused(w + R"({"INSTRUCTION":"MUTATE","NAME":"f","ARGS":[],"MUTATE":[)" + nested +
                      "],\"TIME\":1}\n",
                  4, "MUTATE is not a whole number: " + dots);
    // Cut in the middle.
    check_refused(w + "{\"X\":" + nested.substr(0, nested.size() / 2), 4, "malformed JSON");
  }
  check_refused(w + deep, 4, "not a JSON object");
  check_refused(w + deep.substr(0, 200'000), 4, "not a JSON object");
}

TEST_CASE("a field that is there twice is the last of them, and others' fields are not its own") {
  const std::string twice =
      R"({"INSTRUCTION":"CONSTANT","NAME":["x"],"X":{"NAME":"y"},"NAME":"w","Y":[["z"],{"NAME":1}]})"
      "\n";
  CHECK(parse(twice + R"({"INSTRUCTION":"MEMORY","MEMORY":1,"NAME":"w","MEMORY":[1],"MEMORY":2})")
            .program.values()[0]
            .bytes == 2);
  check_refused(R"({"INSTRUCTION":"CONSTANT","NAME":"w","NAME":["w"]})", 2, "NAME is not a text");
}

TEST_CASE("a text means the same in whatever pieces it comes") {
  const std::string text = "\n \n" + start + "\r\n" + constant("w", "8") +
                           call("f", {"w"}, {{"a", "1"}, {"b", "2", "0"}}) + "  \n" +
                           mutate({"w", "a"}, "[1]") + release("b");
  const RecordedProgram whole = parse_whole(text);
  REQUIRE(whole.program.values().size() == 4);
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    CAPTURE(piece);
    const RecordedProgram other = parse_whole(text, piece);
    CHECK(other.names == whole.names);
    CHECK(results_of(other) == results_of(whole));
    CHECK(baseline_bytes(other) == baseline_bytes(whole));
    CHECK_THROWS_WITH_AS(static_cast<void>(parse_whole(text + "{", piece)),
                         "log:15: malformed JSON", replay::MalformedProgram);
  }
}

TEST_CASE("a text without a start is no program") {
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_whole(constant("w", "1"))),
                       "log:2: it ends without an ANNOTATE START, so it is no recorded program",
                       replay::MalformedProgram);
  CHECK_THROWS_AS(static_cast<void>(parse_whole("")), replay::MalformedProgram);
}

TEST_CASE("a file that cannot be read is refused") {
  CHECK_THROWS_WITH_AS(static_cast<void>(replay::read_recorded_program("/no/such.log")),
                       "cannot read /no/such.log", reprise::InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(replay::read_recorded_program("/tmp")),
                  reprise::InvalidArgument);
}

TEST_CASE("an archive that is cut or damaged is refused with the line it reached") {
  const Folder folder;
  const std::string text = start + constant("w", "8");
  CHECK(unpacked(folder.write("plain.log", text)) == text);
  for (const std::string name : {"empty.log.xz", "empty.log.gz"}) {
    const std::string file = folder.write(name, "");
    CHECK_THROWS_WITH_AS(static_cast<void>(unpacked(file)),
                         (file + ":1: the archive is truncated").c_str(), replay::MalformedProgram);
  }
  for (const std::string name : {"text.log.xz", "text.log.gz"}) {
    const std::string file = folder.write(name, text);
    CHECK_THROWS_WITH_AS(static_cast<void>(unpacked(file)),
                         (file + ":1: the archive is damaged").c_str(), replay::MalformedProgram);
  }
}

TEST_CASE("gzip and xz give the text back, and every cut of an archive is seen") {
  const Folder folder;
  const std::string text = start + constant("w", "8");
  const std::string plain = folder.write("packed.log", text);
  for (const auto& [program, ending] :
       {std::pair<std::string, std::string>{"gzip", ".gz"}, {"xz", ".xz"}}) {
    if (std::system((program + " -k " + plain + " 2>/dev/null").c_str()) != 0) {
      return reprise_test::skip("gzip or xz is not installed");
    }
    const std::string archive = folder.read("packed.log" + ending);
    CHECK(unpacked(plain + ending) == text);
    CHECK(unpacked(folder.write("twice" + ending, archive + archive)) == text + text);
    for (std::size_t size = 0; size < archive.size(); ++size) {
      CAPTURE(size);
      const std::string cut = folder.write("cut" + ending, archive.substr(0, size));
      CHECK_THROWS_AS(static_cast<void>(unpacked(cut)), replay::MalformedProgram);
    }
  }
}

TEST_CASE("a program that is malformed because its archive is cut says so") {
  const Folder folder;
  std::string text = start;
  for (int i = 0; i < 20'000; ++i) text += constant("w" + std::to_string(i * i), "8");
  text += "not JSON\n";
  for (int i = 0; i < 20'000; ++i) text += constant("v" + std::to_string(i * i), "8");
  const std::string plain = folder.write("long.log", text);
  for (const auto& [program, ending] :
       {std::pair<std::string, std::string>{"gzip", ".gz"}, {"xz", ".xz"}}) {
    if (std::system((program + " -k " + plain + " 2>/dev/null").c_str()) != 0) {
      return reprise_test::skip("gzip or xz is not installed");
    }
    const std::string archive = folder.read("long.log" + ending);
    CHECK_THROWS_WITH_AS(static_cast<void>(replay::read_recorded_program(plain + ending)),
                         (plain + ending + ":40002: not a JSON object").c_str(),
                         replay::MalformedProgram);
    const std::string cut = folder.write("cut.log" + ending, archive.substr(0, archive.size() - 1));
    try {
      static_cast<void>(replay::read_recorded_program(cut));
      FAIL_CHECK("accepted");
    } catch (const replay::MalformedProgram& error) {
      CHECK(std::string(error.what()).ends_with("the archive is truncated"));
      CHECK(error.line() > 40'002);
    }
  }
}

TEST_CASE("the DTR paper's programs need what its simulator says") {
  const std::filesystem::path traces = reprise_test::traces();
  if (!std::filesystem::exists(traces)) return reprise_test::skip("there is no shared/traces");
  std::set<std::string> models;
  for (auto& row : reprise_test::read_table(traces / "reference.csv")) {
    const std::string model = row["model"];
    if (!models.insert(model).second) continue;
    CAPTURE(model);
    const RecordedProgram recorded =
        replay::read_recorded_program((traces / (model + ".log.xz")).string());
    CHECK(std::to_string(baseline_bytes(recorded)) == row["baseline_memory"]);
    CHECK(static_cast<std::uint64_t>(baseline_compute(recorded)) ==
          std::stoull(row["baseline_compute"]));
    CHECK_FALSE(recorded.program.results().empty());
  }
  CHECK(models.size() == 4);
}

TEST_CASE("the programs from PyTorch are read") {
  const std::filesystem::path traces = reprise_test::traces() / "pytorch";
  if (!std::filesystem::exists(traces)) return reprise_test::skip("there is no shared/traces");
  for (auto& row : reprise_test::read_table(traces / "reference.csv")) {
    if (row["knob"] != "store-all") continue;
    CAPTURE(row["model"]);
    const RecordedProgram recorded =
        replay::read_recorded_program((traces / (row["model"] + ".log.xz")).string());
    CHECK(std::to_string(recorded.program.operations().size()) == row["operations"]);
  }
}
