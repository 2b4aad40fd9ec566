import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { DomainError, isDomainError } from "../../kit/index.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { readTextFile } from "../text-file.ts";
import type { Given } from "./command-line.ts";
import { givenPassphrase } from "./passphrase.ts";

/**
 * `managedomain --sign_csr`: this host's domain as the CA of another. Offline, or through the Admin
 * Node Manager of this host if that runs. Writes the certificate and its chain beside the request.
 */
export async function signCsr(context: CommandContext, given: Given): Promise<void> {
  const { options, terminal } = context;
  const file = given.required("csr", "sign_csr");
  const requestPem = await readTextFile(file, "the request");
  const passphrase = await givenPassphrase(given, "domain_passphrase");
  const { signCsrOffline } = await import("../../admin/offline.ts");
  const signed = await signCsrOffline(options.home, { requestPem, passphrase }).catch(
    (error: unknown) => {
      if (!isDomainError(error, "home-locked")) throw error;
      return signByRunning(context, requestPem, passphrase);
    },
  );
  const written = resolve(file.replace(/(\.csr|\.pem)?$/i, ".pem"));
  const target = written === resolve(file) ? `${written}.signed.pem` : written;
  try {
    await writeFile(target, signed.chainPem);
  } catch (cause) {
    throw new DomainError(
      "read-only",
      `${target} cannot be written: the certificate ${signed.serial} is on record, \`gatehouse issuances\` shows it`,
      { cause },
    );
  }
  const end = new Date(signed.notAfterMs).toISOString();
  terminal.out(
    [
      `The certificate of ${signed.subject} (serial ${signed.serial}) and its chain are in ${target}.`,
      signed.isCut
        ? `It ends with the CA, ${end}, earlier than it would by itself.`
        : `It ends ${end}.`,
      "Where the request came from:",
      `  managedomain --submit_cert --cert ${target.slice(target.lastIndexOf("/") + 1)}`,
    ].join("\n"),
  );
}

async function signByRunning(
  context: CommandContext,
  requestPem: string,
  passphrase: string | null,
): Promise<{
  chainPem: string;
  serial: string;
  subject: string;
  notAfterMs: number;
  isCut: boolean;
}> {
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(context.options.home);
  const options = { ...context.options, anmHost: "127.0.0.1", anmPort: joined?.settings.port };
  return asAdmin({ ...context, options }, async (admin) => {
    if (passphrase !== null) await admin.call("unlockKeys", { body: { passphrase } });
    return admin.call("signCsr", { body: { requestPem } });
  });
}
