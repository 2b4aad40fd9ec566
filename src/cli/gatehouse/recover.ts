import { printResult, type CommandContext } from "../command-context.ts";
import { readSecret } from "../secret-source.ts";
import { writeCeremony } from "../signing/ceremony.ts";
import { openProvidedCa, type Certificate, type ProvidedCa } from "../signing/provided-ca.ts";
import { bringToRecovery } from "../signing/recovery.ts";
import { entityStoreOf } from "../asked-passphrases.ts";

/** The passphrase is that of the keys in the home. */
export interface RecoverWish {
  readonly passphraseFile?: string;
  readonly passphraseExec?: readonly string[];
  readonly newCa?: boolean;
  /** Where the requests are written that somebody elsewhere is to sign. */
  readonly bundle: string;
  /** The user's CA that signs them here and now. */
  readonly ca?: string;
  readonly caPassphraseFile?: string;
  readonly caPassphraseExec?: readonly string[];
}

/** `gatehouse recover`: on the files of this home, offline. Throws `awaiting-signature` as `bringToRecovery`. */
export async function recover(context: CommandContext, wish: RecoverWish): Promise<void> {
  const { home } = context.options;
  const { recoverHome } = await import("../../admin/offline.ts");
  const keys = await entityStoreOf(context);
  const ca = await givenCa(wish, home);
  const source = { file: wish.passphraseFile, exec: wish.passphraseExec };
  const done = await recoverHome(home, {
    passphrase: await readSecret(source, "passphrase"),
    isNewAuthorityWanted: wish.newCa === true,
    keys,
  });
  const { replaced, awaits } = done;
  if (ca !== null && awaits.length > 0) {
    const certificates: Certificate[] = [...ca.chain];
    for (const { requestPem } of awaits) certificates.push(await ca.sign(requestPem));
    await bringToRecovery(context, certificates, keys);
    for (const line of newCaText(replaced)) context.terminal.out(line);
    return;
  }
  if (awaits.length > 0) await writeCeremony(wish.bundle, awaits);
  printResult(context, done, ({ hostId, epoch }) =>
    [
      ...(awaits.length === 0
        ? [
            `${hostId} has a new certificate, trust epoch ${epoch}. Start it: gatehouse node start --home ${home}`,
            "The other hosts come back by themselves, on proof of their last keys, as soon as they reach it.",
          ]
        : [
            `The certificate of ${hostId} is signed elsewhere. ${awaits.length} requests are in ${wish.bundle}, with manifest.json.`,
            `When that of ${hostId} at least is signed: gatehouse signing submit ${wish.bundle} --home ${home}`,
          ]),
      ...newCaText(replaced),
    ].join("\n"),
  );
}

function newCaText(replaced: readonly string[]): string[] {
  if (replaced.length === 0) return [];
  return [
    `There are new CAs in place of ${replaced.join(", ")}: give them to callers that do not report; \`gatehouse backup\` makes a copy of their keys.`,
  ];
}

async function givenCa(wish: RecoverWish, home: string): Promise<ProvidedCa | null> {
  if (wish.ca === undefined) return null;
  const source = { file: wish.caPassphraseFile, exec: wish.caPassphraseExec };
  return openProvidedCa(wish.ca, (await readSecret(source, "CA passphrase")) ?? "", home);
}
