// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The gpt program as its user meets it: one line for what is wrong, results that repeat, training
// that resumes.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy.hpp"
#include "support/program_run.hpp"
#include "support/xml.hpp"

namespace {

using reprise_test::Folder;
using reprise_test::Outcome;

const std::string tiny =
    " --layers 3 --channels 16 --heads 2 --context 16 --batch 2 --threads 1 --cadence 3";

Outcome run(const Folder& folder, const std::string& arguments) {
  return reprise_test::run_program(folder, GPT_PROGRAM, arguments);
}

void check_refused(const Folder& folder, const std::string& arguments, const std::string& says) {
  reprise_test::check_refused(folder, GPT_PROGRAM, arguments, says);
}

// Varied enough that a model has something to learn.
std::string sample_text() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * i % 97) + " of a sample\n";
  return text;
}

nlohmann::json results_of(const Folder& folder, const std::string& arguments) {
  CAPTURE(arguments);
  const Outcome outcome = run(folder, arguments + " --json " + folder.file("results.json"));
  CAPTURE(outcome.error);
  REQUIRE(outcome.status == 0);
  return nlohmann::json::parse(folder.read("results.json"));
}

std::string number_after(const std::string& text, const std::string& words) {
  const std::size_t start = text.find(words);
  REQUIRE(start != std::string::npos);
  const std::size_t digits = start + words.size();
  return text.substr(digits, text.find_first_not_of("0123456789", digits) - digits);
}

std::string arguments_for(const std::string& text) { return "--text " + text + tiny; }

}  // namespace

TEST_CASE("bad options give one line and a failure") {
  const Folder folder;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"--policy best", "there is no policy 'best'"},
      {"--layers 0", "--layers"},
      {"--layers -1", "--layers"},
      {"--channels 0", "--channels"},
      {"--channels many", "--channels"},
      {"--heads 0", "--heads"},
      {"--heads 3", "3 heads do not divide 128 channels"},
      {"--context 0", "--context"},
      {"--batch -2", "--batch"},
      {"--accumulate 0", "--accumulate"},
      {"--steps 0", "--steps"},
      {"--seed -1", "--seed"},
      {"--threads 0", "--threads"},
      {"--device gpu", "--device"},
      {"--device cuda --precision half", "--precision"},
      {"--precision tf32", "tf32 is for --device cuda"},
      {"--cadence 0", "--cadence"},
      {"--lr 0", "--lr"},
      {"--lr nan", "--lr"},
      {"--dropout 1", "--dropout"},
      {"--beta 1", "--beta"},
      {"--alpha -1", "--alpha"},
      {"--budget much", "'much' is not a size"},
      {"--budget -5MiB", "'-5MiB' is not a size"},
      {"--budget 5Mib", "'5Mib' is not a size"},
      {"--budget ''", "is not a size"},
      {"--budget 0", "--budget"},
      {"--budget 0%", "'0%' is not a share"},
      {"--budget half%", "'half%' is not a share"},
      {"--compare --policy sqrt", "excludes"},
      {"--policies sqrt", "--policies requires --compare"},
      {"--compare --policies sqrt,best", "--policies: there is no policy 'best'"},
      {"--compare --save x", "excludes"},
      {"--text x --c4 y", "excludes"},
      {"--json /no/such/folder/x", "there is no folder"},
      {"--save /no/such/folder/x", "there is no folder"},
      {"--save .", "it is a folder"},
      {"--save /dev/null", "it is no regular file"},
      {"--json /dev/full", "it is no regular file"},
      {"--save ''", "--save: an empty path"},
      {"--resume ''", "--resume: an empty path"},
      {"--json ''", "--json: an empty path"},
      {"--compare --pareto ''", "--pareto: an empty path"},
      {"--pareto x.svg", "--pareto requires --compare"},
      {"--compare --pareto-budgets 30%", "--pareto-budgets requires --pareto"},
      {"--compare --pareto x.svg --pareto-budgets 30%,0", "--pareto-budgets"},
      {"--compare --pareto x.svg --pareto-budgets 30%,half%", "'half%' is not a share"},
      {"--text ''", "--text: an empty path"},
      {"--c4 ''", "--c4: an empty path"},
      {"--save x --json ./x", "--save x and --json ./x are one file"},
      {"--unknown", "--unknown"},
  };
  for (const auto& [arguments, says] : cases) check_refused(folder, arguments, says);
}

TEST_CASE("what is read is not written to") {
  const Folder folder;
  const std::string text = sample_text();
  std::filesystem::create_directory(folder.file("texts"));
  for (const char* const name : {"text", "texts/one", "lines.jsonl", "saved"}) {
    static_cast<void>(folder.write(name, text));
  }
  std::filesystem::create_symlink("texts/one", folder.file("link"));
  std::filesystem::create_hard_link(folder.file("text"), folder.file("twin"));
  for (const auto& [arguments, says] : std::vector<std::pair<std::string, std::string>>{
           {"--text text --save text", "--save: text is also read, as --text"},
           {"--text text --json twin", "--json: twin is also read"},
           {"--text texts --save link", "--save: link is also read"},
           {"--c4 lines.jsonl --json ./lines.jsonl", "is also read, as --c4"},
           {"--text text --resume saved --save saved", "--save: saved is also read, as --resume"},
           {"--text text --save out", "--save: out is where stdout goes"},
       }) {
    check_refused(folder, arguments, says);
  }
  for (const char* const name : {"text", "texts/one", "lines.jsonl", "saved"}) {
    CHECK(folder.read(name) == text);
  }
}

TEST_CASE("a checkpoint is saved as a whole or not at all") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) + " --steps 2";
  static_cast<void>(folder.write("old", "old"));
  std::filesystem::permissions(folder.file("old"), std::filesystem::perms{0640});
  std::filesystem::create_symlink("old", folder.file("link"));
  const auto names = [&] {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.file(""))) {
      found.push_back(entry.path().filename().string());
    }
    std::ranges::sort(found);
    return found;
  };
  const std::vector<std::string> expected{"err", "link", "old", "out", "text"};
  const std::string gpt = GPT_PROGRAM;
  SUBCASE("where the disk is full the old one stays") {
    // A checkpoint has more than 8 KiB, what is printed less.
    reprise_test::check_refused(folder, "ulimit -f 16; " + gpt, common + " --save link",
                                "cannot write link: File too large");
    CHECK(folder.read("old") == "old");
    CHECK(names() == expected);
  }
  SUBCASE("whenever the program is killed") {
    for (const char* const seconds : {"0.02", "0.1", "0.15", "0.2", "0.3"}) {
      const Outcome outcome = reprise_test::run_program(
          folder, "timeout -s KILL " + std::string(seconds) + " " + gpt, common + " --save link");
      const std::string found = folder.read("old");
      CHECK((found == "old" || found.starts_with("REPRISE-GPT-")));
      CHECK((outcome.status != 0 || found != "old"));
      CHECK(names() == expected);
    }
  }
  SUBCASE("two that save to one path leave one that can be resumed") {
    const std::string one = "(" + gpt + " " + common + " --save link --seed ";
    const Outcome outcome = reprise_test::run_program(
        folder, "{ " + one + "1 && echo ok >first) & " + one + "2 && echo ok >second) & wait; }",
        "");
    CHECK(outcome.status == 0);
    CHECK(folder.read("first") == "ok\n");
    CHECK(folder.read("second") == "ok\n");
    CHECK(run(folder, common + " --resume link").status == 0);
  }
  SUBCASE("its mode and link stay") {
    REQUIRE(run(folder, common + " --save link").status == 0);
    CHECK(folder.read("old").starts_with("REPRISE-GPT-"));
    CHECK(std::filesystem::is_symlink(folder.file("link")));
    CHECK(std::filesystem::status(folder.file("old")).permissions() ==
          std::filesystem::perms{0640});
    CHECK(names() == expected);
  }
}

TEST_CASE("a full disk behind stdout is an error, and the old results stay") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) + " --steps 2";
  static_cast<void>(folder.write("old.json", "old"));
  const Outcome full = reprise_test::run_program(
      folder, "sh -c '" GPT_PROGRAM " " + common + " --json old.json >/dev/full'", "");
  CHECK(full.status == 1);
  CHECK(full.error.starts_with("gpt: cannot write to stdout"));
  CHECK(folder.read("old.json") == "old");
}

TEST_CASE("bad text gives one line and a failure") {
  const Folder folder;
  const std::string empty = folder.write("empty.txt", "");
  check_refused(folder, "--text " + empty, "there is no text in " + empty);
  check_refused(folder, "--text /no/such/file", "/no/such/file");
  check_refused(folder, "--text " + folder.write("short.txt", "short"), "too short");
  check_refused(folder, "--c4 /no/such/file", "/no/such/file");
  check_refused(folder, "--c4 " + empty, "there is no text in " + empty);
  const std::string good = "{\"text\": \"some words\"}\n";
  const std::string broken = folder.write("broken.jsonl", good + good + "{\"text\": \"cut");
  check_refused(folder, "--c4 " + broken, "broken.jsonl:3: malformed JSON");
  const std::string other = folder.write("other.jsonl", good + "{\"words\": 1}\n");
  check_refused(folder, "--c4 " + other, "other.jsonl:2: not an object with a text");
  const std::string list = folder.write("list.jsonl", "[1]\n");
  check_refused(folder, "--c4 " + list, "list.jsonl:1: not an object with a text");
}

TEST_CASE("a budget that cannot be met is refused, and the one that is named works") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text()));
  for (const std::string_view name : gpt::policy_names) {
    const std::string policy(name);
    CAPTURE(policy);
    const std::string arguments =
        common + " --steps 4 --costs flops --policy " + policy + " --budget ";
    const Outcome refused = run(folder, arguments + "1KiB");
    check_refused(folder, arguments + "1KiB", "cannot be met by " + policy);
    const std::string smallest = number_after(refused.error, "it needs ");
    const auto results = results_of(folder, arguments + smallest);
    CHECK(std::to_string(results[0]["peak_activation_bytes"].get<std::size_t>()) == smallest);
  }
}

TEST_CASE("a comparison keeps its budget, loses no bit and says what everything cost") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text()));
  const std::string arguments =
      common + " --compare --steps 5 --accumulate 2 --budget 50% --verify-replay --plan-tries 300" +
      " --costs flops";
  const auto results = results_of(folder, arguments + " --pareto pareto.svg");
  REQUIRE(results.size() == gpt::policy_names.size());
  const auto store_all_peak = results[0]["peak_activation_bytes"].get<std::size_t>();
  for (const auto& result : results) {
    CAPTURE(result.dump());
    CHECK(result["exact"] == true);
    CHECK(result["peak_activation_bytes"] == result["predicted_peak_bytes"]);
    CHECK(result["forward_flops_per_step"].get<double>() > 0);
    CHECK(result["seconds_per_step"].get<double>() > 0);
    CHECK(result["train_loss"] == results[0]["train_loss"]);
    CHECK(result["val_loss"] == results[0]["val_loss"]);
    const bool keeps = result["peak_activation_bytes"].get<std::size_t>() <= store_all_peak / 2;
    CHECK(result["within_budget"] == keeps);
    CHECK(result["verified"] == true);
    CHECK(result["reserved_bytes"] >= result["peak_activation_bytes"]);
    const auto policy = result["policy"].get<std::string>();
    const bool plans = policy != "dtr" && policy != "dtr-eq";
    CHECK(result["plan_seconds"].is_null() != plans);
    if (plans) CHECK(result["plan_seconds"].get<double>() > 0);
  }
  const auto picture = reprise_test::read_xml(folder.read("pareto.svg"));
  CHECK(reprise_test::overlaps(picture) == "");
  for (const std::string_view policy : gpt::policy_names) {
    CAPTURE(policy);
    CHECK(std::ranges::any_of(picture, [&](const auto& e) { return e.text == policy; }));
  }
  CHECK(results[0]["policy"] == "store-all");
  CHECK(results[0]["recomputed_flops_per_step"] == 0);
  CHECK(results[0]["budget_bytes"].is_null());
  const auto again = results_of(folder, arguments);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string_view policy = gpt::policy_names.at(i);
    CHECK(results[i]["policy"] == policy);
    if (!gpt::adapts_to_budget(policy)) continue;
    CAPTURE(results[i].dump());
    CHECK(results[i]["budget_bytes"] == store_all_peak / 2);
    CHECK(results[i]["within_budget"] == true);
    CHECK(results[i]["recomputed_flops_per_step"] > 0);
    CHECK(again[i]["train_losses"] == results[i]["train_losses"]);
    if (policy != "min-cut" && policy != "search" && policy != "balanced") continue;
    CHECK(results[i]["bound_flops"] > 0);
    CHECK(results[i]["bound_flops"] <= results[i]["recomputed_flops_per_step"]);
  }
}

TEST_CASE("by default policies minimise seconds, which the comparison predicts and measures") {
  const Folder folder;
  const auto results =
      results_of(folder, arguments_for(folder.write("text", sample_text())) +
                             " --compare --steps 12 --budget 60% --plan-tries 100");
  for (const auto& result : results) {
    CAPTURE(result.dump());
    CHECK(result["costs"] == "seconds");
    CHECK(result["seconds"].size() == 12);
    CHECK(result["exact"] == true);
    CHECK(result["peak_activation_bytes"] == result["predicted_peak_bytes"]);
    CHECK(result["nodes_seconds"] > 0);
    CHECK(result["overhead"]["lower_quartile"] <= result["overhead"]["median"]);
    CHECK(result["overhead"]["median"] <= result["overhead"]["upper_quartile"]);
    const bool recomputes = result["recomputed_flops_per_step"] > 0;
    CHECK((result["recomputed_seconds"] > 0) == recomputes);
    CHECK(result["predicted_overhead"] > 0);
    if (result["bound_seconds"].is_null()) continue;
    CHECK(result["bound_seconds"] <= result["recomputed_seconds"]);
  }
  CHECK(results[0]["overhead"]["median"] == 1);
}

TEST_CASE("one policy after another trains as all in turn do") {
  const Folder folder;
  const std::string arguments = arguments_for(folder.write("text", sample_text())) +
                                " --compare --steps 2 --budget 60% --plan-tries 100";
  const auto in_turn = results_of(folder, arguments);
  const auto one_by_one = results_of(folder, arguments + " --one-by-one");
  REQUIRE(in_turn.size() == one_by_one.size());
  for (std::size_t i = 0; i < in_turn.size(); ++i) {
    CHECK(in_turn[i]["policy"] == one_by_one[i]["policy"]);
    CHECK(in_turn[i]["train_losses"] == one_by_one[i]["train_losses"]);
  }
}

TEST_CASE("the picture has each policy that adapts at each budget that it can meet") {
  const Folder folder;
  const std::string arguments = arguments_for(folder.write("text", sample_text())) +
                                " --compare --steps 1 --plan-tries 100 --budget 60%" +
                                " --pareto pareto.svg --pareto-budgets 1%,80%";
  const auto adapting =
      static_cast<std::size_t>(std::ranges::count_if(gpt::policy_names, gpt::adapts_to_budget));
  REQUIRE(results_of(folder, arguments).size() == gpt::policy_names.size() + adapting);
  const auto picture = reprise_test::read_xml(folder.read("pareto.svg"));
  const std::size_t in_legend = gpt::policy_names.size();
  const std::size_t at_60 = gpt::policy_names.size();
  CHECK(reprise_test::named(picture, "polygon").size() == in_legend + at_60 + adapting);
  CHECK(reprise_test::overlaps(picture) == "");
}

TEST_CASE("verification changes no number of the training that it verifies") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) +
                             " --steps 4 --accumulate 2 --budget 60% --costs flops --policy ";
  for (const std::string policy : {"gradient", "dtr-eq"}) {
    CAPTURE(policy);
    const auto plain = results_of(folder, common + policy);
    const auto verified = results_of(folder, common + policy + " --verify-replay");
    CHECK(plain[0]["verified"] == false);
    CHECK(verified[0]["verified"] == true);
    for (const char* const number :
         {"train_losses", "val_loss", "recomputed_flops", "forward_flops_per_step",
          "peak_activation_bytes", "predicted_peak_bytes", "reserved_bytes"}) {
      CAPTURE(number);
      CHECK(verified[0][number] == plain[0][number]);
    }
  }
}

TEST_CASE("a GPU trains as the CPU does, or one line says why it does not") {
  const Folder folder;
  const std::string arguments =
      arguments_for(folder.write("text", sample_text())) + " --compare --steps 5";
  if (run(folder, arguments + " --device cuda").status != 0) {
    return check_refused(folder, arguments + " --device cuda", "--device cuda: ");
  }
  const auto on_cpu = results_of(folder, arguments);
  for (const auto& result : results_of(folder, arguments + " --device cuda")) {
    CAPTURE(result.dump());
    CHECK(result["exact"] == true);
    CHECK(result["peak_activation_bytes"] == result["predicted_peak_bytes"]);
    CHECK(result["device_peak_bytes"] >= result["peak_activation_bytes"]);
    const double expected = on_cpu[0]["val_loss"];
    CHECK(result["val_loss"].get<double>() == doctest::Approx(expected).epsilon(1e-4));
  }
}

TEST_CASE("two threads repeat their own bits") {
  const Folder folder;
  const std::string arguments = "--text " + folder.write("text", sample_text()) +
                                " --layers 1 --channels 64 --heads 2 --context 32 --batch 8"
                                " --steps 3 --threads 2 --policy recompute-all";
  const auto first = results_of(folder, arguments);
  CHECK(results_of(folder, arguments)[0]["train_losses"] == first[0]["train_losses"]);
}

TEST_CASE("resumed training is training that never stopped") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) +
                             " --policy gradient --budget 60% --costs flops";
  const std::string saved = folder.file("checkpoint");
  // 4 and 8 lie between two plans, which are due every 3 steps.
  for (const std::size_t stop : {4U, 6U, 8U}) {
    CAPTURE(stop);
    const auto whole = results_of(folder, common + " --steps 12");
    const auto steps = [](std::size_t count) { return " --steps " + std::to_string(count); };
    static_cast<void>(results_of(folder, common + steps(stop) + " --save " + saved));
    const auto rest = results_of(folder, common + steps(12 - stop) + " --resume " + saved);
    for (const char* const of_steps : {"train_losses", "recomputed_flops"}) {
      CAPTURE(of_steps);
      REQUIRE(rest[0][of_steps].size() == 12 - stop);
      for (std::size_t i = stop; i < 12; ++i) {
        CHECK(rest[0][of_steps][i - stop] == whole[0][of_steps][i]);
      }
    }
    CHECK(rest[0]["val_loss"] == whole[0]["val_loss"]);
  }
}

TEST_CASE("tensors in codes take a part of the memory, draw the same again, and resume") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) +
                             " --costs flops --verify-replay --policy ";
  const auto plain = results_of(folder, common + "store-all --steps 6");
  for (const std::string bias : {"", " --allow-bias"}) {
    CAPTURE(bias);
    const auto whole = results_of(folder, common + "uniform-3" + bias + " --steps 6");
    CHECK(whole[0]["gradients"] == (bias.empty() ? "unbiased" : "biased"));
    CHECK(whole[0]["peak_activation_bytes"] == whole[0]["predicted_peak_bytes"]);
    CHECK(whole[0]["peak_activation_bytes"].get<double>() <
          0.9 * plain[0]["peak_activation_bytes"].get<double>());
    CHECK(whole[0]["recomputed_flops_per_step"] == 0);
    CHECK(whole[0]["train_losses"] != plain[0]["train_losses"]);
    CHECK(whole[0]["train_losses"][0] == plain[0]["train_losses"][0]);  // forward is exact
    CHECK(whole[0]["val_loss"].get<double>() ==
          doctest::Approx(plain[0]["val_loss"].get<double>()).epsilon(0.02));

    const std::string saved = folder.file("saved");
    static_cast<void>(
        results_of(folder, common + "uniform-3" + bias + " --steps 2 --save " + saved));
    const auto rest =
        results_of(folder, common + "uniform-3" + bias + " --steps 4 --resume " + saved);
    CHECK(rest[0]["val_loss"] == whole[0]["val_loss"]);

    // What is in codes is recomputed from nothing, so that less memory than codes need takes both.
    const auto bytes = whole[0]["peak_activation_bytes"].get<std::size_t>();
    const auto both = results_of(
        folder, common + "uniform-3" + bias + " --steps 6 --budget " + std::to_string(bytes - 1));
    CHECK(both[0]["peak_activation_bytes"].get<std::size_t>() < bytes);
    CHECK(both[0]["val_loss"] == whole[0]["val_loss"]);
  }
  CHECK(plain[0]["gradients"] == "exact");
}

TEST_CASE("no more tensors are in codes than a budget asks for") {
  const Folder folder;
  const std::string common =
      arguments_for(folder.write("text", sample_text())) + " --steps 3 --costs flops --allow-bias";
  const auto compare = [&](const std::string& budget) {
    return results_of(folder,
                      common + " --compare --policies uniform-4,fewest-4 --budget " + budget);
  };
  const auto ample = compare("100%");
  CHECK(ample[2]["gradients"] == "exact");
  CHECK(ample[2]["exact"] == true);
  const auto tight = compare("90%");
  CHECK(tight[2]["gradients"] == "biased");
  CHECK(tight[2]["recomputed_flops_per_step"] == 0);
  CHECK(tight[2]["within_budget"] == true);
  CHECK(tight[2]["peak_activation_bytes"] > tight[1]["peak_activation_bytes"]);
}

TEST_CASE("a comparison takes the policies that it is given") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text()));
  const auto results = results_of(
      folder, common + " --compare --steps 3 --costs flops --policies uniform-4,sqrt,sqrt");
  REQUIRE(results.size() == 3);
  CHECK(results[0]["policy"] == "store-all");
  CHECK(results[1]["policy"] == "uniform-4");
  CHECK(results[1]["gradients"] == "unbiased");
  CHECK(results[2]["policy"] == "sqrt");
  CHECK(results[2]["exact"] == true);
}

TEST_CASE("training under an online policy resumes, and refuses another policy's checkpoint") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) + " --budget 60%";
  const std::string saved = folder.file("checkpoint");
  const auto whole = results_of(folder, common + " --policy dtr --steps 6");
  static_cast<void>(results_of(folder, common + " --policy dtr --steps 4 --save " + saved));
  const std::string resume = " --steps 2 --resume " + saved;
  const auto rest = results_of(folder, common + " --policy dtr" + resume);
  CHECK(rest[0]["train_losses"][1] == whole[0]["train_losses"][5]);
  CHECK(rest[0]["val_loss"] == whole[0]["val_loss"]);
  check_refused(folder, common + " --policy gradient" + resume, "tracker state: it does not begin");
}

TEST_CASE("training resumes with other batches, which are other shapes") {
  const Folder folder;
  const std::string common = "--text " + folder.write("text", sample_text()) +
                             " --layers 2 --channels 16 --heads 2 --context 16 --threads 1"
                             " --policy recompute-all --steps 2 --verify-replay --batch ";
  const std::string saved = folder.file("checkpoint");
  static_cast<void>(results_of(folder, common + "2 --save " + saved));
  const auto peak = [&](const std::string& arguments) {
    return results_of(folder, common + arguments)[0]["peak_activation_bytes"].get<std::size_t>();
  };
  for (const std::string batch : {"1", "3"}) {
    CHECK(peak(batch + " --resume " + saved) == peak(batch));
  }
}

TEST_CASE("a bad checkpoint gives one line and a failure") {
  const Folder folder;
  const std::string common = arguments_for(folder.write("text", sample_text())) + " --steps 2";
  const std::string saved = folder.file("checkpoint");
  REQUIRE(run(folder, common + " --save " + saved).status == 0);
  const std::string good = folder.read("checkpoint");
  const auto check_file = [&](const std::string& content, const std::string& says) {
    check_refused(folder, common + " --resume " + folder.write("bad", content), says);
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{20}, std::size_t{60},
                                 good.size() / 2, good.size() - 1}) {
    check_file(good.substr(0, size), "truncated");
  }
  for (const std::size_t at :
       {std::size_t{30}, std::size_t{80}, good.size() / 2, good.size() - 1}) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    check_file(damaged, "corrupted");
  }
  check_file(good + "x", "corrupted");
  check_file("REPRISE-GPT-1\n" + good.substr(14), "of another version");
  check_file("something else entirely, long enough for a header", "not a checkpoint");
  check_refused(folder, common + " --resume /no/such/file", "/no/such/file");
  check_refused(folder,
                "--text " + folder.file("text") +
                    " --layers 3 --channels 16 --heads 4 --context 16 --resume " + saved,
                "of another model, its heads is 2, this one's 4");
}
