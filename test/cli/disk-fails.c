// Preloaded by failing-disk.test.ts: a disk that answers EIO.
//   FAIL_AT=n      fdatasync fails from its n-th call on: the log of LevelDB
//   FAIL_BLOBS=1   fsync of a file in a folder `blobs` fails
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int fd) {
  static int calls;
  const char *at = getenv("FAIL_AT");
  (void)fd;
  if (at && __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) >= atoi(at)) {
    errno = EIO;
    return -1;
  }
  return 0;
}

int fsync(int fd) {
  char link[64], path[4096];
  if (!getenv("FAIL_BLOBS")) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!strstr(path, "/blobs/tmp/")) return 0;
  errno = EIO;
  return -1;
}
