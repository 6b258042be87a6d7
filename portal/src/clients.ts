/** The clients of AWS, with the session's credentials. There are no others: the page can do what its person may. */
import { S3Client } from "@aws-sdk/client-s3";
import { SSMClient } from "@aws-sdk/client-ssm";
import type { PortalConfig } from "./config";
import type { Session } from "./session";

export interface Clients {
  readonly s3: S3Client;
  readonly ssm: SSMClient;
}

export function makeClients(config: PortalConfig, session: Session): Clients {
  const common = {
    region: config.region,
    credentials: () => session.credentials(),
    ...(config.endpoint ? { endpoint: config.endpoint } : {}),
  };
  return {
    s3: new S3Client({
      ...common,
      forcePathStyle: Boolean(config.endpoint),
      // a browser cannot read a body twice to give it another checksum
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    }),
    ssm: new SSMClient(common),
  };
}
