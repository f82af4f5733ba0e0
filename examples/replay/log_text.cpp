// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "log_text.hpp"

#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <reprise/core/error.hpp>
#include <string_view>
#include <utility>

#include "malformed_program.hpp"

namespace replay {
namespace {

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw reprise::InvalidArgument("cannot read " + path);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// What comes out of an archive, and how that ended.
struct Unpacked {
  std::string text{};
  const char* fault = nullptr;  ///< nothing if the archive is whole
};

constexpr std::size_t chunk_size = std::size_t{1} << 16U;

// C interfaces count what is left in integers of their own.
std::uint8_t* bytes_of(const char* text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text));
}

Unpacked unpack_xz(std::string_view packed) {
  struct Decoder {
    lzma_stream stream = LZMA_STREAM_INIT;
    ~Decoder() { lzma_end(&stream); }
  } decoder;
  lzma_stream& stream = decoder.stream;
  Unpacked result;
  if (lzma_stream_decoder(&stream, std::numeric_limits<std::uint64_t>::max(), LZMA_CONCATENATED) !=
      LZMA_OK) {
    throw reprise::Error("cannot start the xz decoder");
  }
  stream.next_in = bytes_of(packed.data());
  stream.avail_in = packed.size();
  std::array<char, chunk_size> chunk{};
  lzma_ret status = LZMA_OK;
  while (status == LZMA_OK) {
    stream.next_out = bytes_of(chunk.data());
    stream.avail_out = chunk.size();
    status = lzma_code(&stream, LZMA_FINISH);
    result.text.append(chunk.data(), chunk.size() - stream.avail_out);
  }
  if (status == LZMA_BUF_ERROR) result.fault = "the archive is truncated";
  if (status != LZMA_BUF_ERROR && status != LZMA_STREAM_END)
    result.fault = "the archive is damaged";
  return result;
}

Unpacked unpack_gzip(std::string_view packed) {
  struct Decoder {
    z_stream stream{};
    ~Decoder() { inflateEnd(&stream); }
  } decoder;
  z_stream& stream = decoder.stream;
  Unpacked result;
  const int gzip_of_any_window = 16 + MAX_WBITS;
  if (packed.size() > std::numeric_limits<uInt>::max() ||
      inflateInit2(&stream, gzip_of_any_window) != Z_OK) {
    throw reprise::Error("cannot start the gzip decoder");
  }
  stream.next_in = bytes_of(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::array<char, chunk_size> chunk{};
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = bytes_of(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    status = inflate(&stream, Z_NO_FLUSH);
    result.text.append(chunk.data(), chunk.size() - stream.avail_out);
    // A file may hold several archives in a row.
    if (status == Z_STREAM_END && stream.avail_in > 0) status = inflateReset(&stream);
  }
  if (status == Z_BUF_ERROR) result.fault = "the archive is truncated";
  if (status != Z_BUF_ERROR && status != Z_STREAM_END) result.fault = "the archive is damaged";
  return result;
}

}  // namespace

std::string read_log_text(const std::string& path) {
  std::string bytes = read_bytes(path);
  const bool is_xz = path.ends_with(".xz");
  if (!is_xz && !path.ends_with(".gz")) return bytes;
  Unpacked unpacked = is_xz ? unpack_xz(bytes) : unpack_gzip(bytes);
  if (unpacked.fault != nullptr) {
    const auto line = 1 + std::ranges::count(unpacked.text, '\n');
    throw MalformedProgram(path, static_cast<std::size_t>(line), unpacked.fault);
  }
  return std::move(unpacked.text);
}

}  // namespace replay
