/** The name among `found` that somebody may have meant as `expected`: another case, or a slip; null for none. */
export function nearName(expected: string, found: readonly string[]): string | null {
  const wanted = stemOf(expected);
  const near = found.filter((name) => name !== expected && isNear(wanted, stemOf(name)));
  return (
    near.toSorted((a, b) => distance(wanted, stemOf(a)) - distance(wanted, stemOf(b)))[0] ?? null
  );
}

/** In one case, and without what follows the first dot. */
function stemOf(name: string): string {
  return name.toLowerCase().split(".")[0] ?? "";
}

function isNear(wanted: string, found: string): boolean {
  if (found === "") return false;
  // As ha_keydata, which Amlen's documentation writes and never reads.
  if (wanted.length >= 4 && found.startsWith(wanted)) return true;
  return distance(wanted, found) <= Math.min(2, Math.floor(wanted.length / 3));
}

/** Insertions, deletions and replacements between two texts (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}
