/** How to reach an Admin Node Manager, know it, and log in: the documented connection set and ours. */
export interface ConnectionOptions {
  /** Absolute path of the home folder. */
  readonly home: string;
  readonly anmHost: string | undefined;
  readonly anmPort: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  /** PEM file with the CAs that an Admin Node Manager is verified with. */
  readonly truststoreFile: string | undefined;
  /** SHA-256 fingerprint of the domain's management CA, as people write it. */
  readonly fingerprint: string | undefined;
  /** Between the words of an option's name, as the program that runs has them. */
  readonly wordSeparator: "-" | "_";
}

/** The name of an option for a message: `--anm_host` of managedomain is `--anm-host` of gatehouse. */
export function optionName(
  { wordSeparator }: Pick<ConnectionOptions, "wordSeparator">,
  ...words: readonly string[]
): string {
  return `--${words.join(wordSeparator)}`;
}

export const defaultAdminPort = 8090;
