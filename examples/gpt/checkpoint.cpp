// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "checkpoint.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <span>
#include <string_view>
#include <type_traits>

#include "output_file.hpp"

namespace gpt {
namespace {

// Numbers in the byte order of the machine: magic; length of the rest and its checksum; the rest.
constexpr std::string_view family = "REPRISE-GPT-";
constexpr std::string_view magic = "REPRISE-GPT-3\n";

std::uint64_t checksum_of(std::string_view bytes) {
  return reprise::hash_bytes(std::as_bytes(std::span(bytes)));
}

class Writer {
 public:
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void number(const T& value) { raw(&value, sizeof(value)); }
  template <class Range>
  void list(const Range& values) {
    number(std::uint64_t{values.size()});
    raw(values.data(), values.size() * sizeof(*values.data()));
  }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  void raw(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }

  std::string bytes_;
};

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  template <class T>
  requires std::is_trivially_copyable_v<T>
  [[nodiscard]] T number() {
    T value{};
    raw(&value, sizeof(value));
    return value;
  }
  template <class Range>
  void list(Range& values) {
    const auto size = number<std::uint64_t>();
    if (size > bytes_.size()) fail();
    values.resize(static_cast<std::size_t>(size));
    raw(values.data(), values.size() * sizeof(*values.data()));
  }
  void expect_end() const {
    if (!bytes_.empty()) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw reprise::CorruptState(path_ + ": a corrupted checkpoint, its lengths do not fit");
  }
  void raw(void* to, std::size_t size) {
    if (size > bytes_.size()) fail();
    if (size > 0) std::memcpy(to, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }

  std::string_view bytes_;
  const std::string& path_;
};

struct NamedSize {
  const char* name;
  std::uint64_t size;
};

std::array<NamedSize, 5> sizes_of(const ModelShape& shape) {
  return {{{"vocabulary", shape.vocabulary},
           {"layers", shape.layers},
           {"channels", shape.channels},
           {"heads", shape.heads},
           {"context", shape.context}}};
}

std::string body_of(const Checkpoint& checkpoint) {
  Writer out;
  for (const NamedSize& size : sizes_of(checkpoint.shape)) out.number(size.size);
  out.number(checkpoint.element_bytes);
  out.number(checkpoint.step);
  for (const auto& values : checkpoint.parameters) out.list(values);
  for (const AdamW<>::Moments& moments : checkpoint.moments) {
    out.list(moments.first);
    out.list(moments.second);
  }
  out.list(checkpoint.decisions);
  return out.bytes();
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw reprise::Error("cannot read checkpoint " + path);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The part behind the header, once it is known to be whole.
std::string_view checked_body(std::string_view file, const std::string& path) {
  constexpr std::size_t header = magic.size() + 2 * sizeof(std::uint64_t);
  const std::string_view start = file.substr(0, magic.size());
  if (start != magic.substr(0, start.size())) {
    throw reprise::CorruptState(path + (start.starts_with(family)
                                            ? ": a checkpoint of another version"
                                            : ": not a checkpoint of this program"));
  }
  if (file.size() < header) {
    throw reprise::CorruptState(path + ": a truncated checkpoint of " +
                                std::to_string(file.size()) + " bytes");
  }
  Reader numbers(file.substr(magic.size(), header - magic.size()), path);
  const auto length = numbers.number<std::uint64_t>();
  const auto checksum = numbers.number<std::uint64_t>();
  const std::string_view body = file.substr(header);
  if (body.size() < length) {
    throw reprise::CorruptState(path + ": a truncated checkpoint, " + std::to_string(body.size()) +
                                " of " + std::to_string(length) + " bytes are there");
  }
  if (body.size() != length || checksum_of(body) != checksum) {
    throw reprise::CorruptState(path + ": a corrupted checkpoint, its checksum does not fit");
  }
  return body;
}

void check_model(Reader& in, const ModelShape& shape, const std::string& path) {
  for (const NamedSize& expected : sizes_of(shape)) {
    const auto found = in.number<std::uint64_t>();
    if (found != expected.size) {
      throw reprise::CorruptState(path + ": of another model, its " + expected.name + " is " +
                                  std::to_string(found) + ", this one's " +
                                  std::to_string(expected.size));
    }
  }
}

void check_precision(std::uint64_t found, std::uint64_t expected, const std::string& path) {
  if (found == expected) return;
  const auto bits = [](std::uint64_t bytes) { return std::to_string(8 * bytes); };
  throw reprise::CorruptState(path + ": of another precision, its activations have " + bits(found) +
                              " bits, this training's " + bits(expected));
}

void read_values(Reader& in, std::vector<float>& values, std::size_t size,
                 const std::string& path) {
  in.list(values);
  if (values.size() != size) {
    throw reprise::CorruptState(path + ": of another model, it has a parameter of " +
                                std::to_string(values.size()) + " values instead of " +
                                std::to_string(size));
  }
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  const std::string body = body_of(checkpoint);
  Writer lengths;
  lengths.number(std::uint64_t{body.size()});
  lengths.number(checksum_of(body));
  example::OutputFile file(path);
  for (const std::string_view part :
       {magic, std::string_view(lengths.bytes()), std::string_view(body)}) {
    file.write(part);
  }
  file.commit();
}

Checkpoint read_checkpoint(const std::string& path, const ModelShape& shape,
                           std::uint64_t element_bytes, std::span<const std::size_t> sizes) {
  const std::string file = read_file(path);
  Reader in(checked_body(file, path), path);
  Checkpoint checkpoint;
  checkpoint.shape = shape;
  check_model(in, shape, path);
  checkpoint.element_bytes = in.number<std::uint64_t>();
  check_precision(checkpoint.element_bytes, element_bytes, path);
  checkpoint.step = in.number<std::uint64_t>();
  for (const std::size_t size : sizes) {
    read_values(in, checkpoint.parameters.emplace_back(), size, path);
  }
  for (const std::size_t size : sizes) {
    AdamW<>::Moments& moments = checkpoint.moments.emplace_back();
    read_values(in, moments.first, size, path);
    read_values(in, moments.second, size, path);
  }
  in.list(checkpoint.decisions);
  in.expect_end();
  return checkpoint;
}

}  // namespace gpt
