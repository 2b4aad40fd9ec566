import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { onEnd } from "../../test/support/cleanup.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { ask, sendCommands } from "./socket-commands.ts";

/** A socket that answers to a command, up to an empty line where it has a payload. */
async function commandSocket(
  answer: (text: string) => string,
): Promise<{ path: string; got: string[] }> {
  const path = join(await tempFolder(), "socket");
  const got: string[] = [];
  const server = createServer((socket) => {
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (!text.endsWith(text.includes("<<") ? "\n\n" : "\n")) return;
      got.push(text);
      socket.end(answer(text));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onEnd(() => server.close());
  return { path, got };
}

const pem = (): Promise<string> => Promise.resolve("A\n\nB\n  \nC\n");

test("commands are sent in order, a payload without the empty lines that would end it", async () => {
  const { path, got } = await commandSocket(() => "Success!\n");
  const commands = [
    { send: "set x", payload: "a.pem", expect: "Success" },
    { send: "commit x", expect: "^Success" },
  ];
  await sendCommands({ socket: path, commands }, pem);
  expect(got).toEqual(["set x <<\nA\nB\nC\n\n", "commit x\n"]);
});

test("an answer that is not expected ends them: what is half-done is aborted, and the answer told", async () => {
  const { path, got } = await commandSocket((text) =>
    text.startsWith("commit") ? "Can't commit:\nkey mismatch\n" : "created\n",
  );
  const commands = [
    { send: "set x", expect: "created" },
    { send: "commit x", expect: "Success" },
    { send: "never", expect: "" },
  ];
  await expect(
    sendCommands({ socket: path, commands, abort: ["abort x"] }, pem),
  ).rejects.toMatchObject({
    code: "generation-refused",
    message: `${path} answered to "commit x": Can't commit: / key mismatch`,
  });
  expect(got).toEqual(["set x\n", "commit x\n", "abort x\n"]);
});

test("a server that does not answer, or is not there, is said to be so", async () => {
  const silent = join(await tempFolder(), "socket");
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(silent, resolve));
  onEnd(() => server.close());
  await expect(ask({ path: silent }, "x\n", 0.2)).rejects.toMatchObject({ code: "timeout" });
  await expect(ask({ path: `${silent}-not` }, "x\n")).rejects.toMatchObject({
    code: "unreachable",
  });
});
