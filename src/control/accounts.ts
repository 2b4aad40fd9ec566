import { DomainError, toHex, type RelyingPartyId } from "../kit/index.ts";
import { checkName } from "../domain/index.ts";
import { utf8Encode } from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { LastKnown, Session, User, UserRole } from "./ports.ts";

/** 256 random bits as hexadecimal text. */
export function newSecret(env: Pick<ControlEnvironment, "rng">): string {
  return toHex(env.rng.bytes(32));
}

/** What is stored of a random secret. Its 256 bits need no salt and no slow hash. */
export function hashSecret(env: Pick<ControlEnvironment, "crypto">, secret: string): string {
  return toHex(env.crypto.sha256(utf8Encode(secret)));
}

interface Login {
  readonly token: string;
  readonly role: UserRole;
  readonly expiresAtMs: number;
}

/** Exchanges a password for a session token. Throws `unauthenticated`, the same for every reason. */
export async function logIn(
  env: ControlEnvironment,
  request: { readonly username: string; readonly password: string },
): Promise<Login> {
  const user = await env.store.read((view) => view.accounts.user(request.username));
  const { login, session } = await newSession(env, request.password, user);
  await env.store.write(
    {
      actor: `user:${request.username}`,
      action: "session.start",
      subject: request.username,
      detail: {},
    },
    (tx) => tx.accounts.putSession(session),
  );
  return login;
}

/** The same while the store cannot be reached: the session lasts until it can. */
export async function logInCutOff(
  env: ControlEnvironment,
  known: LastKnown,
  request: { readonly username: string; readonly password: string },
): Promise<Login> {
  const user = await known.view.accounts.user(request.username);
  const { login, session } = await newSession(env, request.password, user);
  known.keepSession(session);
  return login;
}

async function newSession(
  env: ControlEnvironment,
  password: string,
  user: User | undefined,
): Promise<{ readonly login: Login; readonly session: Session }> {
  const matches = await env.passwords.matches(password, user?.passwordHash ?? "");
  if (user === undefined || !matches)
    throw new DomainError("unauthenticated", "the user name or the password is wrong");
  const token = newSecret(env);
  const { name, role } = user;
  const expiresAtMs = env.clock.nowMs() + env.policy.sessionLifetimeSeconds * 1000;
  return {
    login: { token, role, expiresAtMs },
    session: {
      tokenHash: hashSecret(env, token),
      holder: { kind: "user", name, role },
      expiresAtMs,
    },
  };
}

/** The session of a bearer token, or undefined if there is none that is valid now. */
export async function findSession(
  env: Pick<ControlEnvironment, "store" | "crypto" | "clock">,
  token: string,
): Promise<Session | undefined> {
  return env.store.read((view) => view.accounts.session(hashSecret(env, token), env.clock.nowMs()));
}

/** Ends the session of a token. */
export async function logOut(env: ControlEnvironment, token: string): Promise<void> {
  await env.store.note((tx) => tx.accounts.removeSession(hashSecret(env, token)));
}

/** Registers a managed relying party; its token is returned once and kept as a hash. */
export async function createRelyingParty(
  env: ControlEnvironment,
  request: { readonly name: string; readonly actor: string },
): Promise<{ readonly id: RelyingPartyId; readonly token: string }> {
  const name = checkName("relying party", request.name);
  const token = newSecret(env);
  const entry = { actor: request.actor, action: "relying-party.create", subject: name, detail: {} };
  return env.store.write(entry, async (tx) => {
    const id =
      `relying-party-${await tx.topology.nextNumber("relying-party", 1)}` as RelyingPartyId;
    if ((await tx.topology.relyingParties()).some((party) => party.name === name)) {
      throw new DomainError(
        "already-exists",
        `there is already a relying party named ${name}: choose another name`,
      );
    }
    await tx.topology.putRelyingParty({ id, name, createdAtMs: env.clock.nowMs() });
    await tx.accounts.putSession({
      tokenHash: hashSecret(env, token),
      holder: { kind: "relying-party", id },
      expiresAtMs: null,
    });
    return { id, token };
  });
}
