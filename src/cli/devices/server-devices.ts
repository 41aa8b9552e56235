import { ListDevicesResponse } from '../../contract/control-api.ts';
import type { DeviceView } from '../../contract/control-api.ts';
import { listAll } from '../api-client.ts';
import type { ApiClient } from '../api-client.ts';

/** The devices that a user enrolled, as the server knows them. */
export const fetchDevicesOf = (api: ApiClient, user: string): Promise<readonly DeviceView[]> =>
  listAll(
    async (query) => {
      const { devices: items, ...next } = await api.call('GET', `/v1/devices${query}`, ListDevicesResponse);
      return { items, ...next };
    },
    { user },
  );
