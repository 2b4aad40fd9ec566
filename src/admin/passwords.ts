import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import type { PasswordHasher } from "../control/index.ts";

/** RFC 9106 section 4, second recommended option: 64 MiB, three passes. */
const cost = { memory: 65_536, passes: 3, parallelism: 1, tagLength: 32 };

const argon2Async = promisify(argon2);

/** Compared with when there is no such user, so that a guess of a name takes as long as a guess of a password. */
const nobodysHash = `$argon2id$${Buffer.alloc(16).toString("base64")}$${Buffer.alloc(32).toString("base64")}`;

/** argon2id of node:crypto; hashes read `$argon2id$<salt>$<tag>`, both base64. */
export const passwordHasher: PasswordHasher = {
  async hash(password) {
    const salt = randomBytes(16);
    return `$argon2id$${salt.toString("base64")}$${(await derive(password, salt)).toString("base64")}`;
  },
  async matches(password, hash) {
    const [, , salt, tag] = (hash === "" ? nobodysHash : hash).split("$");
    const derived = await derive(password, Buffer.from(salt ?? "", "base64"));
    const expected = Buffer.from(tag ?? "", "base64");
    return hash !== "" && expected.length === derived.length && timingSafeEqual(expected, derived);
  },
};

async function derive(password: string, nonce: Buffer): Promise<Buffer> {
  return argon2Async("argon2id", { message: Buffer.from(password, "utf8"), nonce, ...cost });
}
