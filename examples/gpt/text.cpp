// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <reprise/core/error.hpp>
#include <system_error>

namespace gpt {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

std::ifstream open(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || fs::is_directory(path)) {
    throw reprise::InvalidArgument("cannot read " + path.string());
  }
  return file;
}

void append_file(Bytes& bytes, const fs::path& path) {
  std::ifstream file = open(path);
  bytes.insert(bytes.end(), std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  auto entry = fs::recursive_directory_iterator(folder);
  for (; entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> own_sources() {
  const fs::path root(GPT_SOURCE_DIR);
  std::vector<std::string> folders;
  for (const char* const folder : {"include", "examples"}) {
    if (!fs::is_directory(root / folder)) {
      throw reprise::InvalidArgument("there is no " + (root / folder).string() +
                                     " any more: choose a text with --text or --c4");
    }
    folders.push_back((root / folder).string());
  }
  return folders;
}

std::string text_of_line(const std::string& line, const std::string& where) {
  const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
  if (object.is_discarded()) throw reprise::InvalidArgument(where + ": malformed JSON");
  const auto text = object.is_object() ? object.find("text") : object.end();
  if (!object.is_object() || text == object.end() || !text->is_string()) {
    throw reprise::InvalidArgument(where + ": not an object with a text");
  }
  return text->get<std::string>();
}

}  // namespace

std::vector<std::string> text_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths.empty() ? own_sources() : paths) {
    if (!fs::exists(path)) throw reprise::InvalidArgument("there is no " + path);
    if (fs::is_directory(path)) {
      for (const fs::path& file : files_below(path)) files.push_back(file.string());
    } else {
      files.push_back(path);
    }
  }
  return files;
}

std::vector<std::uint8_t> read_text(const std::vector<std::string>& paths) {
  Bytes bytes;
  for (const std::string& file : text_files(paths)) append_file(bytes, file);
  if (bytes.empty()) {
    throw reprise::InvalidArgument("there is no text in " +
                                   (paths.empty() ? GPT_SOURCE_DIR : paths.front()));
  }
  return bytes;
}

std::vector<std::uint8_t> read_c4(const std::string& path) {
  std::ifstream file = open(path);
  Bytes bytes;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::string text = text_of_line(line, path + ":" + std::to_string(number));
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.push_back('\n');
  }
  if (bytes.empty()) throw reprise::InvalidArgument("there is no text in " + path);
  return bytes;
}

}  // namespace gpt
