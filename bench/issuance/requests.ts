import { generateKeyPairSync } from "node:crypto";
import { issueRequest, keySigner } from "../../src/keys/index.ts";
import { encodePem, parseNameText } from "../../src/pki/index.ts";

/** Certificate requests (PKCS#10, PEM), each for a fresh EC P-256 key. */
export async function makeRequests(count: number): Promise<string[]> {
  const subject = parseNameText("CN=bench.example");
  const requests: string[] = [];
  for (let i = 0; i < count; i++) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { der } = await issueRequest(
      { subject, subjectAltName: [], profile: null },
      keySigner(privateKey),
    );
    requests.push(encodePem("CERTIFICATE REQUEST", der));
  }
  return requests;
}
