import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installGeneration, presentGeneration } from "../../src/keys/index.ts";
import type { InstanceSettings } from "../../src/contract/index.ts";
import type { TestCredential, TestDomain } from "./test-domain.ts";

/** Writes the files of a gateway instance's folder as its Node Manager does. */
export class InstanceFolder {
  readonly home: string;
  #sequence = 0;

  constructor(home: string) {
    this.home = home;
  }

  async writeSettings(settings: InstanceSettings): Promise<void> {
    await this.#write("instance.json", settings);
  }

  /** What the domain's Node Manager has loaded. */
  async writeTrust(domain: TestDomain): Promise<void> {
    await this.#write("trust.json", domain.trust.save());
  }

  /** Installs and presents a credential; returns its sequence. */
  async present(usage: "management" | "traffic", credential: TestCredential): Promise<number> {
    const dir = join(this.home, "credentials", usage);
    const { identity, certificate } = credential;
    const sequence = ++this.#sequence;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await installGeneration(dir, {
      sequence,
      keyPem: identity.keyPem,
      certificatePem: identity.certificatePem,
      chainPem: "",
      meta: {
        serial: identity.serial,
        authorityId: identity.authorityId,
        notAfterMs: certificate.notAfterMs,
      },
    });
    await presentGeneration(dir, sequence);
    return sequence;
  }

  async #write(name: string, content: unknown): Promise<void> {
    await mkdir(join(this.home, "conf"), { recursive: true, mode: 0o700 });
    await writeFile(join(this.home, "conf", name), JSON.stringify(content), { mode: 0o600 });
  }
}
