// Preloaded by failing-disk.test.ts: fdatasync fails with EIO from its FAIL_AT-th call on.
#include <errno.h>
#include <stdlib.h>

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
