import type { CertificateTemplate } from "./certificate-build.ts";
import { parseGeneralNameText } from "./general-name.ts";
import { parseNameText } from "./name-text.ts";
import {
  memberProfile,
  processProfile,
  trafficProfile,
  type CertificateProfile,
  type CertificateRole,
} from "./profiles.ts";

/** What the certificate of a leaf is to say, as text. */
export interface LeafText {
  readonly profile: CertificateRole | "traffic" | "member";
  /** RFC 4514 text. */
  readonly subject: string;
  /** As `URI:spiffe://...`, `DNS:gw1.example.com`, `IP:10.0.0.1`. */
  readonly alternativeNames: readonly string[];
}

/** The same as a certificate and a request for one say it. Throws `invalid-name`. */
export function leafTemplate({
  profile,
  subject,
  alternativeNames,
}: LeafText): Pick<CertificateTemplate, "profile" | "subject" | "subjectAltName"> {
  return {
    profile: profileOf(profile),
    subject: parseNameText(subject),
    subjectAltName: alternativeNames.map(parseGeneralNameText),
  };
}

function profileOf(profile: LeafText["profile"]): CertificateProfile {
  if (profile === "traffic") return trafficProfile;
  return profile === "member" ? memberProfile : processProfile(profile);
}
