// Input: a number, 1 to 1000000. Output: how many steps it takes to 1, and the highest number on the way.

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  char text[64] = "";
  size_t length = fread(text, 1, sizeof text - 1, stdin);
  while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = 0;
  char *end = text;
  uint64_t start = text[0] >= '1' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
  if (start < 1 || start > 1000000 || *end != 0) {
    fprintf(stderr, "not a number, 1 to 1000000\n");
    return 1;
  }
  uint64_t steps = 0, highest = start;
  for (uint64_t n = start; n != 1; steps++) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    if (n > highest) highest = n;
  }
  printf("{\"start\":%" PRIu64 ",\"steps\":%" PRIu64 ",\"highest\":%" PRIu64 "}\n", start, steps,
         highest);
  return 0;
}
