// Starts a test provider on this machine. It needs: npm install --save-dev oidc-provider
import { startTestProvider } from 'express-portal-auth/testing';

const provider = await startTestProvider({ port: 4000 });
for (const [name, value] of Object.entries(provider.env)) console.log(`export ${name}=${value}`);
