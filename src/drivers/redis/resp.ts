/** An answer in Redis' protocol (RESP 2); an error is an answer, too. */
export type Reply = string | number | null | ReplyError | readonly Reply[];

export class ReplyError extends Error {}

/** The first reply in `bytes` and its length in bytes; null while it is not complete. */
export function parseReply(bytes: Buffer, at = 0): { reply: Reply; end: number } | null {
  const lineEnd = bytes.indexOf("\r\n", at);
  if (lineEnd < 0) return null;
  const type = String.fromCharCode(bytes[at] ?? 0);
  const line = bytes.toString("utf8", at + 1, lineEnd);
  const next = lineEnd + 2;
  switch (type) {
    case "+":
      return { reply: line, end: next };
    case "-":
      return { reply: new ReplyError(line), end: next };
    case ":":
      return { reply: Number(line), end: next };
    case "$":
      return parseBulk(bytes, next, Number(line));
    case "*":
      return parseList(bytes, next, Number(line));
    default:
      throw new Error("this is not the protocol of Redis");
  }
}

function parseBulk(
  bytes: Buffer,
  at: number,
  length: number,
): { reply: Reply; end: number } | null {
  if (length < 0) return { reply: null, end: at };
  const end = at + length;
  return bytes.length < end + 2 ? null : { reply: bytes.toString("utf8", at, end), end: end + 2 };
}

function parseList(bytes: Buffer, at: number, count: number): { reply: Reply; end: number } | null {
  const replies: Reply[] = [];
  let end = at;
  for (let i = 0; i < count; i += 1) {
    const found = parseReply(bytes, end);
    if (found === null) return null;
    replies.push(found.reply);
    end = found.end;
  }
  return { reply: replies, end };
}

/** A command as the protocol sends it. */
export function encodeCommand(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}
