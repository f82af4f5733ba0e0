// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "output_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <random>
#include <reprise/core/error.hpp>
#include <system_error>
#include <vector>

namespace example {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) { return std::generic_category().message(error); }

/// What a path leads to: through symbolic links, also to where nothing is yet.
struct Place {
  fs::path path;
  std::optional<struct stat> file{};
  struct stat folder {};
};

[[noreturn]] void refuse(const std::string& what) { throw reprise::InvalidArgument(what); }

fs::path follow_links(const std::string& path) {
  constexpr int most_links = 40;  // as the kernel's
  fs::path at = fs::absolute(path);
  for (int i = 0; i < most_links; ++i) {
    std::error_code error;
    const fs::path next = fs::read_symlink(at, error);
    if (error) return at;
    at = at.parent_path() / next;
  }
  refuse("cannot write " + path + ": " + reason(ELOOP));
}

Place place_of(const std::string& path) {
  if (path.empty()) refuse("cannot write a file with an empty path");
  const std::string cannot = "cannot write " + path + ": ";
  Place place{.path = follow_links(path)};
  const fs::path folder = place.path.parent_path();
  if (stat(folder.c_str(), &place.folder) != 0 || !S_ISDIR(place.folder.st_mode)) {
    refuse(cannot + "there is no folder " + folder.string());
  }
  struct stat file {};
  if (lstat(place.path.c_str(), &file) == 0) {
    place.file = file;
  } else if (errno != ENOENT) {
    refuse(cannot + reason(errno));
  }
  if (place.file && S_ISDIR(file.st_mode)) refuse(cannot + "it is a folder");
  if (place.file && !S_ISREG(file.st_mode)) refuse(cannot + "it is no regular file");
  if (place.file && faccessat(AT_FDCWD, place.path.c_str(), W_OK, AT_EACCESS) != 0) {
    refuse(cannot + reason(errno));
  }
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    refuse(cannot + "its folder: " + reason(errno));
  }
  return place;
}

bool are_one(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool are_one(const Place& a, const Place& b) {
  if (a.file && b.file && are_one(*a.file, *b.file)) return true;
  return are_one(a.folder, b.folder) && a.path.filename() == b.path.filename();
}

void check_streams(const NamedPath& output, const Place& place) {
  const std::array streams{std::pair{STDOUT_FILENO, "stdout"}, std::pair{STDERR_FILENO, "stderr"}};
  for (const auto& [descriptor, name] : streams) {
    struct stat stream {};
    if (place.file && fstat(descriptor, &stream) == 0 && are_one(stream, *place.file)) {
      refuse(output.option + ": " + output.path + " is where " + name + " goes");
    }
  }
}

void check_inputs(const NamedPath& output, const Place& place, std::span<const NamedPath> inputs) {
  if (!place.file) return;
  for (const NamedPath& input : inputs) {
    struct stat file {};
    if (stat(input.path.c_str(), &file) == 0 && are_one(file, *place.file)) {
      refuse(output.option + ": " + output.path + " is also read, as " + input.option);
    }
  }
}

/// Starts the hidden names of all that is written for one file.
std::string hidden_prefix(const fs::path& target) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), ".reprise-part-%016zx-",
                std::hash<std::string>{}(target.filename().string()));
  return text.data();
}

fs::path hidden_name(const fs::path& target) {
  std::random_device random;
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%08x%08x", random(), random());
  return target.parent_path() / (hidden_prefix(target) + text.data());
}

/// Whoever writes a hidden file holds a lock on it for as long as it lives.
bool lock(const FileDescriptor& file, int how) { return flock(file.get(), how) == 0; }

/// Removes what was left behind by those who were killed.
void remove_abandoned(const fs::path& target) {
  const std::string prefix = hidden_prefix(target);
  std::error_code ignored;
  for (fs::directory_iterator entry(target.parent_path(), ignored), end; entry != end;
       entry.increment(ignored)) {
    if (!entry->path().filename().string().starts_with(prefix)) continue;
    const FileDescriptor file(open(entry->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.is_open() && lock(file, LOCK_EX | LOCK_NB)) unlink(entry->path().c_str());
  }
}

std::string link_to(const FileDescriptor& file) {
  return "/proc/self/fd/" + std::to_string(file.get());
}

bool has_name(const FileDescriptor& file) {
  struct stat status {};
  return fstat(file.get(), &status) == 0 && status.st_nlink > 0;
}

bool write_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(to, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Some file systems have nothing to sync and say so.
bool sync(const FileDescriptor& file) { return fsync(file.get()) == 0 || errno == EINVAL; }

/// A rename is on disk when its folder is. Where that cannot be asked for, it is there all the
/// same.
void sync_folder(const fs::path& folder) {
  const FileDescriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.is_open()) static_cast<void>(fsync(opened.get()));
}

}  // namespace

void check_output_files(std::span<const NamedPath> outputs, std::span<const NamedPath> inputs) {
  std::vector<Place> places;
  for (const NamedPath& output : outputs) {
    if (output.path.empty()) refuse(output.option + ": an empty path");
    places.push_back(place_of(output.path));
    check_inputs(output, places.back(), inputs);
    check_streams(output, places.back());
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!are_one(places[i], places[j])) continue;
      refuse(outputs[j].option + " " + outputs[j].path + " and " + outputs[i].option + " " +
             outputs[i].path + " are one file");
    }
  }
}

OutputFile::OutputFile(const std::string& path, Meanwhile meanwhile) : path_(path) {
  Place place = place_of(path);
  target_ = std::move(place.path);
  old_ = place.file;
  remove_abandoned(target_);
  if (meanwhile == Meanwhile::unnamed) open_unnamed();
  if (!file_.is_open()) open_hidden();
}

OutputFile::~OutputFile() {
  if (!hidden_.empty()) unlink(hidden_.c_str());
}

void OutputFile::write(std::string_view bytes) { check(write_all(file_.get(), bytes)); }

void OutputFile::commit() {
  check(sync(file_));
  if (old_ && old_->st_nlink > 1) return copy_into_old();
  if (old_) take_over_mode();
  put_in_place();
  sync_folder(target_.parent_path());
}

/// A file without a name gets one through /proc.
void OutputFile::open_unnamed() {
  if (access("/proc/self/fd", X_OK) != 0) return;
  file_ = FileDescriptor(
      open(target_.parent_path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, first_mode()));
  if (file_.is_open()) lock(file_, LOCK_EX);
}

void OutputFile::open_hidden() {
  // One that loses its name before it is locked was taken for abandoned.
  do {
    hidden_ = hidden_name(target_);
    file_ =
        FileDescriptor(open(hidden_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, first_mode()));
    if (!file_.is_open()) hidden_.clear();
    check(file_.is_open());
    lock(file_, LOCK_EX);
  } while (!has_name(file_));
}

/// What replaces a private file is private from the start.
mode_t OutputFile::first_mode() const { return old_ ? 0600 : 0666; }

/// Not everyone may give a file away. A file that stays with its writer must not run as the writer
/// because the old one ran as somebody else.
void OutputFile::take_over_mode() {
  const bool has_owner = fchown(file_.get(), old_->st_uid, old_->st_gid) == 0;
  check(fchmod(file_.get(), old_->st_mode & (has_owner ? 07777U : 0777U)) == 0);
}

void OutputFile::put_in_place() {
  if (hidden_.empty()) {
    const bool is_there =
        linkat(AT_FDCWD, link_to(file_).c_str(), AT_FDCWD, target_.c_str(), AT_SYMLINK_FOLLOW) == 0;
    if (is_there) return;
    check(errno == EEXIST);
    give_name();
  }
  check(rename(hidden_.c_str(), target_.c_str()) == 0);
  hidden_.clear();
}

void OutputFile::give_name() {
  const fs::path name = hidden_name(target_);
  check(linkat(AT_FDCWD, link_to(file_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0);
  hidden_ = name;
}

void OutputFile::copy_into_old() {
  const FileDescriptor old(open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  check(old.is_open());
  lock(old, LOCK_EX);  // two who do this do it one after the other
  struct stat made {};
  check(fstat(file_.get(), &made) == 0);
  // What does not fit is known before anything of the old content is gone.
  check(made.st_size == 0 || fallocate(old.get(), FALLOC_FL_KEEP_SIZE, 0, made.st_size) == 0 ||
        errno == EOPNOTSUPP);
  std::vector<char> chunk(std::size_t{1} << 16U);
  check(lseek(file_.get(), 0, SEEK_SET) == 0);
  for (ssize_t size = 1; size > 0;) {
    size = read(file_.get(), chunk.data(), chunk.size());
    check(size >= 0 && write_all(old.get(), {chunk.data(), static_cast<std::size_t>(size)}));
  }
  check(ftruncate(old.get(), made.st_size) == 0 && sync(old));
}

void OutputFile::check(bool succeeded) const {
  if (!succeeded) throw reprise::Error("cannot write " + path_ + ": " + reason(errno));
}

void write_output_file(const std::string& path, std::string_view content) {
  OutputFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace example
