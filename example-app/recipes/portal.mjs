// A provider on this machine, for trying things out: npm install --save-dev oidc-provider
import { startTestPortal } from 'express-portal-auth/testing';

const provider = await startTestPortal({ port: 4000 });
for (const [name, value] of Object.entries(provider.env)) console.log(`export ${name}=${value}`);
