import type * as Library from "pkcs11js";
import { randomBytes } from "node:crypto";
import { DomainError, type ErrorCode } from "../kit/index.ts";
import type { TokenAddress } from "./token-protocol.ts";

/** OBJECT IDENTIFIER of P-256, in DER: CKA_EC_PARAMS. */
const p256 = Buffer.from("06082a8648ce3d030107", "hex");
const pointBytes = 65;
const coordinateBytes = 32;

/** Return values of PKCS#11 that are about the PIN (v2.40, 4.12.1). */
const wrongPin = new Set(["CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE"]);

/**
 * A login at a token, through the library of its maker. A defect in that ends the process: so this
 * runs in one of its own.
 */
export class TokenSession {
  readonly #library: typeof Library;
  readonly #module: Library.PKCS11;
  readonly #session: Library.Handle;
  readonly #token: string;

  private constructor(
    library: typeof Library,
    module: Library.PKCS11,
    session: Library.Handle,
    token: string,
  ) {
    this.#library = library;
    this.#module = module;
    this.#session = session;
    this.#token = token;
  }

  /** Throws `not-supported` without the addon, `not-found`, `forbidden` for a wrong PIN, `authority-unavailable`. */
  static async open(address: TokenAddress, pin: string): Promise<TokenSession> {
    const library = await loadLibrary();
    const module = new library.PKCS11();
    const { module: path, token } = address;
    try {
      module.load(path);
    } catch (cause) {
      throw new DomainError(
        "not-found",
        `the PKCS#11 library ${path} cannot be loaded: check its path, its permissions and what it depends on`,
        { cause },
      );
    }
    return named(token, () => {
      // Without this flag a library need not be safe with threads, of which the addon has some.
      module.C_Initialize({ flags: library.CKF_OS_LOCKING_OK });
      const slot = module
        .C_GetSlotList(true)
        .find((each) => textOf(module.C_GetTokenInfo(each).label) === token);
      if (slot === undefined)
        throw new DomainError("not-found", `there is no token ${token} at the library ${path}`);
      const session = module.C_OpenSession(
        slot,
        library.CKF_SERIAL_SESSION | library.CKF_RW_SESSION,
      );
      module.C_Login(session, library.CKU_USER, pin);
      return new TokenSession(library, module, session, token);
    });
  }

  /** Makes a P-256 key that never leaves the token; returns its public point. */
  generate(label: string): Uint8Array {
    const { CKA_LABEL, CKA_ID, CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE, ...is } =
      this.#library;
    const shared = [
      { type: CKA_LABEL, value: label },
      { type: CKA_ID, value: randomBytes(16) },
      { type: CKA_TOKEN, value: true },
    ];
    return named(this.#token, () => {
      const { publicKey } = this.#module.C_GenerateKeyPair(
        this.#session,
        { mechanism: is.CKM_EC_KEY_PAIR_GEN },
        [
          ...shared,
          { type: is.CKA_KEY_TYPE, value: is.CKK_EC },
          { type: is.CKA_VERIFY, value: true },
          { type: is.CKA_EC_PARAMS, value: p256 },
        ],
        [
          ...shared,
          { type: is.CKA_KEY_TYPE, value: is.CKK_EC },
          { type: CKA_PRIVATE, value: true },
          { type: CKA_SENSITIVE, value: true },
          { type: CKA_EXTRACTABLE, value: false },
          { type: is.CKA_SIGN, value: true },
        ],
      );
      return this.#pointOf(publicKey);
    });
  }

  /** The public point of a key whose private half is here; null where there is none. */
  find(label: string): Uint8Array | null {
    return named(this.#token, () => {
      const [privateKey] = this.#objects(this.#library.CKO_PRIVATE_KEY, label);
      const [publicKey] = this.#objects(this.#library.CKO_PUBLIC_KEY, label);
      return privateKey === undefined || publicKey === undefined ? null : this.#pointOf(publicKey);
    });
  }

  /** ECDSA over a digest; r and s, 32 bytes each. */
  sign(label: string, digest: Uint8Array): Uint8Array {
    return named(this.#token, () => {
      const [privateKey] = this.#objects(this.#library.CKO_PRIVATE_KEY, label);
      if (privateKey === undefined)
        throw new DomainError(
          "authority-unavailable",
          `the token ${this.#token} has no key ${label}`,
        );
      const mechanism = { mechanism: this.#library.CKM_ECDSA };
      this.#module.C_SignInit(this.#session, mechanism, privateKey);
      const room = Buffer.alloc(2 * coordinateBytes);
      return Uint8Array.from(this.#module.C_Sign(this.#session, Buffer.from(digest), room));
    });
  }

  /** Destroys both halves of a key. True if it was there. */
  destroy(label: string): boolean {
    return named(this.#token, () => {
      const { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY } = this.#library;
      // The half that matters last: what is left by an interruption is found again by it.
      const halves = [CKO_PUBLIC_KEY, CKO_PRIVATE_KEY].flatMap((kind) =>
        this.#objects(kind, label),
      );
      for (const half of halves) this.#module.C_DestroyObject(this.#session, half);
      return halves.length > 0;
    });
  }

  #objects(kind: number, label: string): Library.Handle[] {
    const module = this.#module;
    module.C_FindObjectsInit(this.#session, [
      { type: this.#library.CKA_CLASS, value: kind },
      { type: this.#library.CKA_LABEL, value: label },
    ]);
    try {
      return module.C_FindObjects(this.#session, 2);
    } finally {
      module.C_FindObjectsFinal(this.#session);
    }
  }

  /** Most tokens give the point as a DER OCTET STRING, some bare. */
  #pointOf(publicKey: Library.Handle): Uint8Array {
    const wanted = [{ type: this.#library.CKA_EC_POINT }];
    const [point] = this.#module.C_GetAttributeValue(this.#session, publicKey, wanted);
    return Uint8Array.from(point?.value as Buffer).slice(-pointBytes);
  }
}

/** The addon is compiled by a step of its own, and not everybody needs it. */
async function loadLibrary(): Promise<typeof Library> {
  try {
    const loaded = (await import("pkcs11js")) as typeof Library & { default?: typeof Library };
    return loaded.default ?? loaded;
  } catch {
    throw new DomainError(
      "not-supported",
      "keys in a PKCS#11 token need the addon pkcs11js, which is not compiled here: run `npm run build:token` in the folder of Gatehouse (docs/signing.md says what that needs)",
    );
  }
}

/** What the library refuses, in a line that names the token and the call. */
function named<T>(token: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    const { message, method = "a call" } = cause as Error & { method?: string };
    const [result = "an unknown error"] = /CKR_\w+/.exec(message) ?? [];
    throw refusal(token, method, result, cause);
  }
}

function refusal(token: string, method: string, result: string, cause: unknown): DomainError {
  const [code, text]: [ErrorCode, string] = wrongPin.has(result)
    ? ["forbidden", `the token ${token} refuses the PIN`]
    : result === "CKR_PIN_LOCKED"
      ? ["forbidden", `the PIN of the token ${token} is locked: its own tool unlocks it`]
      : ["authority-unavailable", `the token ${token} failed: ${method} gave ${result}`];
  return new DomainError(code, text, { cause });
}

/** Labels are padded with blanks. */
function textOf(label: string | Uint8Array): string {
  return (typeof label === "string" ? label : Buffer.from(label).toString("utf8")).trimEnd();
}
