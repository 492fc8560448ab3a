# Input: a number, 1 to 1000000. Output: how many steps it takes to 1, and the highest number on the way.

import json
import sys

try:
    start = json.load(sys.stdin)
except ValueError:
    start = None
if type(start) is not int or not 1 <= start <= 1000000:
    sys.exit("not a number, 1 to 1000000")
n, steps, highest = start, 0, start
while n != 1:
    n = n // 2 if n % 2 == 0 else 3 * n + 1
    highest = max(highest, n)
    steps += 1
print(json.dumps({"start": start, "steps": steps, "highest": highest}, separators=(",", ":")))
