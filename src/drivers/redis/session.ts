import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { certificatesPem } from "../../keys/index.ts";
import { DomainError, isDomainError } from "../../kit/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { liveFile } from "../live-files.ts";
import { secretOf } from "../secret.ts";
import { encodeCommand, parseReply, ReplyError, type Reply } from "./resp.ts";

const silenceMsMax = 10_000;

/** Sends a command; resolves with its answer. Throws `conflict` with the server's words if it refuses. */
export type Call = (...words: readonly string[]) => Promise<Reply>;

/**
 * Logs in to a member's server and does `work` there. Over the Unix socket of the variable `socket`
 * where there is one, since credentials that do not work cannot keep us out there; else over TLS with
 * the member's own certificate. Throws `unreachable` or `unauthenticated`.
 */
export async function withSession<T>(
  member: MemberAt,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const socket = await open(member);
  socket.setTimeout(silenceMsMax, () => socket.destroy(new Error("no answer in time")));
  try {
    const call = caller(socket, member);
    await logIn(member, call);
    return await work(call);
  } finally {
    socket.destroy();
  }
}

async function open(member: MemberAt): Promise<Socket> {
  const { values, description, anchors } = member;
  const path = values["socket"] ?? "";
  if (existsSync(path)) return connectTcp({ path });
  const [port] = description.served;
  const read = async (file: string | undefined): Promise<string> =>
    file === undefined ? "" : readFile(file, "utf8");
  return connectTls({
    host: port?.host,
    port: Number(port?.port),
    ca: anchors.map((each) => certificatesPem([each])),
    key: await read(liveFile(description, "key")),
    cert: await read(liveFile(description, "certificate-and-chain", "certificate")),
    // Its CA vouches for members only, and this is the port of this host's.
    checkServerIdentity: () => undefined,
  });
}

function caller(socket: Socket, { name }: MemberAt): Call {
  let bytes: Buffer = Buffer.alloc(0);
  let waiting: ((found: Reply | Error) => void) | null = null;
  let failure: Error | null = null;
  const answer = (found: Reply | Error): void => {
    waiting?.(found);
    waiting = null;
  };
  const fail = (cause?: Error): void => {
    failure ??= new DomainError("unreachable", `the Redis server of ${name} cannot be asked`, {
      cause,
    });
    answer(failure);
  };
  socket.on("error", fail);
  socket.once("close", () => fail());
  socket.on("data", (part: Buffer) => {
    bytes = Buffer.concat([bytes, part]);
    try {
      const found = parseReply(bytes);
      if (found === null) return;
      bytes = bytes.subarray(found.end);
      answer(found.reply);
    } catch (cause) {
      fail(cause as Error);
    }
  });
  return (...words) =>
    new Promise((resolve, reject) => {
      if (failure !== null) return reject(failure);
      waiting = (found) => {
        if (found instanceof ReplyError) reject(refusal(name, words, found));
        else if (found instanceof Error) reject(found);
        else resolve(found);
      };
      socket.write(encodeCommand(words));
    });
}

/** Without the arguments, among which a password may be. */
function refusal(name: string, [command]: readonly string[], { message }: ReplyError): DomainError {
  return new DomainError(
    "conflict",
    `the Redis server of ${name} answered to ${command}: ${message}`,
  );
}

async function logIn({ name, description: { login } }: MemberAt, call: Call): Promise<void> {
  if (login === undefined) return;
  const password = await secretOf(login.password, name);
  await call("AUTH", login.user, password).catch((cause: unknown) => {
    if (!isDomainError(cause, "conflict")) throw cause;
    throw new DomainError(
      "unauthenticated",
      `the Redis server of ${name} refuses the login of ${login.user}: check login in its description`,
      { cause },
    );
  });
}
