import { assert, describeError, DomainError } from "../kit/index.ts";
import type { FromToken, TokenCall, ToToken } from "./token-protocol.ts";
import { TokenSession } from "./token-session.ts";

// The process that has the library of a token loaded, and its PIN: a crash there ends nothing else.

let session: TokenSession | null = null;

async function answer(call: TokenCall): Promise<Uint8Array | null> {
  if (call.kind === "open") {
    session = await TokenSession.open(call, call.pin);
    return null;
  }
  assert(session !== null, "a token is opened before it is used");
  switch (call.kind) {
    case "generate":
      return session.generate(call.label);
    case "find":
      return session.find(call.label);
    case "sign":
      return session.sign(call.label, call.digest);
    case "destroy":
      return session.destroy(call.label) ? new Uint8Array() : null;
  }
}

async function answerTo({ id, call }: ToToken): Promise<FromToken> {
  try {
    return { id, ok: true, bytes: await answer(call) };
  } catch (error) {
    const code = error instanceof DomainError ? error.code : "internal";
    return { id, ok: false, code, message: describeError(error) };
  }
}

process.on("message", (message: ToToken) => {
  void answerTo(message).then((said) => process.send?.(said));
});
// Who asked is gone, however it ended.
process.on("disconnect", () => process.exit(0));
// A terminal sends these to all: the one who asks decides when this ends.
process.on("SIGINT", () => undefined);
