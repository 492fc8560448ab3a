// Input: a number, 1 to 1000000. Output: how many steps it takes to 1, and the highest number on the way.

use std::io::Read;

fn main() {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    let start: u64 = text.trim_end().parse().unwrap_or(0);
    let is_plain = text.trim_end() == start.to_string();
    if read.is_err() || !is_plain || !(1..=1_000_000).contains(&start) {
        eprintln!("not a number, 1 to 1000000");
        std::process::exit(1);
    }
    let (mut n, mut steps, mut highest) = (start, 0u64, start);
    while n != 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        highest = highest.max(n);
        steps += 1;
    }
    println!("{{\"start\":{start},\"steps\":{steps},\"highest\":{highest}}}");
}
