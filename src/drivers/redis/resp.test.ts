import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCommand, parseReply, ReplyError, type Reply } from "./resp.ts";

const reply: fc.Arbitrary<Reply> = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 2 },
    fc.string({ unit: "grapheme" }),
    fc.integer(),
    fc.constant(null),
    fc.array(tie("reply"), { maxLength: 3 }),
  ),
})).reply;

function encoded(value: Reply): string {
  if (value === null) return "$-1\r\n";
  if (typeof value === "number") return `:${value}\r\n`;
  if (Array.isArray(value)) return `*${value.length}\r\n${value.map(encoded).join("")}`;
  return `$${Buffer.byteLength(String(value))}\r\n${String(value)}\r\n`;
}

test("a reply is read as soon as all of it is there, and not before", () => {
  fc.assert(
    fc.property(reply, fc.nat(), (value, cut) => {
      const bytes = Buffer.from(encoded(value));
      expect(parseReply(bytes.subarray(0, cut % bytes.length))).toBeNull();
      expect(parseReply(Buffer.concat([bytes, bytes]))).toEqual({
        reply: value,
        end: bytes.length,
      });
    }),
  );
});

test("an error is a reply, and anything else than a reply is not", () => {
  expect(parseReply(Buffer.from("-ERR no\r\n"))?.reply).toEqual(new ReplyError("ERR no"));
  expect(() => parseReply(Buffer.from("HTTP/1.1 400\r\n"))).toThrow("not the protocol of Redis");
});

test("a command says how many bytes its words have", () => {
  expect(encodeCommand(["SET", "é"])).toBe("*2\r\n$3\r\nSET\r\n$2\r\né\r\n");
});
