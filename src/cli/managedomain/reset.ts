import { DomainError } from "../../kit/index.ts";
import type { CommandContext } from "../command-context.ts";
import type { Given } from "./command-line.ts";

/**
 * `managedomain --reset`: on this host alone, offline. Throws `still-running`, and `forbidden` where
 * keys of CAs would be lost and nobody has said that they may be.
 */
export async function resetHost(
  { terminal, options: { home } }: CommandContext,
  given: Given,
): Promise<void> {
  const { authorityKeyFiles, openLocalHome, resetHome, runningOn } =
    await import("../../node/local.ts");
  const { joined } = await openLocalHome(home);
  if (joined === null)
    throw new DomainError(
      "home-missing",
      `${home} is not part of a domain: there is nothing to reset`,
    );
  const [running] = await runningOn(home);
  if (running !== undefined)
    throw new DomainError(
      "still-running",
      `something runs on ${home}: ${running}; stop its instances, then \`gatehouse node stop --home ${home}\``,
    );
  const keys = await authorityKeyFiles(home);
  if (keys.length > 0 && !given.has("discard_ca_keys"))
    throw new DomainError(
      "forbidden",
      `${home} holds keys of CAs (${keys.join(", ")}), which nobody else may have: give them to another first, with \`gatehouse authority move HOST\`, or back them up and say --discard_ca_keys`,
    );
  const { name, hostId } = joined.settings;
  const question = `Delete the instances, keys and registration of ${name} (${hostId}) in ${home}?`;
  if (terminal.prompts !== null && !(await terminal.prompts.confirm(question)))
    throw new DomainError("usage", "nothing was deleted");
  await resetHome(home);
  terminal.out(
    [
      `${home} is no host of a domain any more; its settings and logs are left.`,
      `The domain still knows ${hostId}: delete its instances and \`managedomain --delete_host --host ${hostId}\` elsewhere, which denies its keys.`,
      "Then register this host again: managedomain --add",
    ].join("\n"),
  );
}
