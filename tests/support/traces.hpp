// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Recorded programs and reference tables, which lie in shared/traces beside the repository.

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace reprise_test {

/// Where they are; there is no such folder on a machine that has none.
inline std::filesystem::path traces() { return REPRISE_TRACES; }

/// The rows of a table, each by the names of its columns. No field holds a comma.
inline std::vector<std::map<std::string, std::string>> read_table(
    const std::filesystem::path& path) {
  std::ifstream file(path);
  const auto fields_of = [](const std::string& line) {
    std::vector<std::string> fields;
    std::istringstream rest(line.substr(0, line.find('\r')));
    for (std::string field; std::getline(rest, field, ',');) fields.push_back(field);
    return fields;
  };
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> columns = fields_of(line);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = fields_of(line);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i == 0) rows.emplace_back();
      rows.back()[columns[i]] = i < fields.size() ? fields[i] : "";
    }
  }
  return rows;
}

}  // namespace reprise_test
