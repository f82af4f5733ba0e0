// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The fuzz target without its fuzzer: what was once found, and the recorded programs of the corpus.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void feed(const std::string& text) {
  CAPTURE(text);
  CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()) ==
        0);
}

const std::string start = R"({"INSTRUCTION":"ANNOTATE","ANNOTATION":"START"})"
                          "\n";

std::string corpus_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("malformed texts are refused and nothing worse") {
  for (const std::string& rest :
       {std::string{}, std::string("\n\n"), std::string("\0", 1), std::string("\xff\xfe"),
        std::string("{"), std::string("[[[[[[[["), std::string(200'000, '['),
        "{\"NAME\":" + std::string(200'000, '['), std::string("{\"INSTRUCTION\":null}"),
        std::string(R"({"INSTRUCTION":"CONSTANT","NAME":"\ud800"})"),
        std::string(R"({"INSTRUCTION":"MUTATE","NAME":"f","ARGS":[],"MUTATE":[0],"TIME":1})"),
        std::string(R"({"INSTRUCTION":"CALL","NAME":"f","ARGS":[],"RESULT":["a"],"TIME":1e400})"),
        std::string(R"({"INSTRUCTION":"CALL","NAME":"f","ARGS":["a"],"RESULT":["a"],"TIME":1})")}) {
    feed(rest);
    feed(start + rest);
    feed(start + rest + "\r\n" + rest);
  }
}

TEST_CASE("every cut of the corpus is refused, or is a program that can be replayed") {
  std::size_t count = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(REPRISE_FUZZ_CORPUS "/" REPRISE_FUZZ_COMPONENT)) {
    const std::string text = corpus_text(file.path());
    for (std::size_t size = 0; size <= text.size(); ++size) feed(text.substr(0, size));
    ++count;
  }
  CHECK(count > 0);
}
