import type { MlflowRoute } from '@millrace/mlflow-protocol';

/**
 * What MLflow 3 clients ask before they move artifacts: which ways of moving them the server has. Files of any size stream through
 * the proxy here, so there are no multipart uploads to choose.
 */
export function serverInfoRoutes(): MlflowRoute[] {
  return [
    {
      method: 'GET',
      path: 'server-info',
      api: '3.0',
      handle: async () => ({
        // The client tells stores by MLflow's own names; SqlStore is the one that has everything.
        store_type: 'SqlStore',
        workspaces_enabled: false,
        trace_archival_enabled: false,
        multipart_uploads_enabled: false,
        multipart_downloads_enabled: false,
        presigned_upload_run_id_supported: false,
        presigned_upload_model_id_supported: false,
        features_enabled: { gateway: false },
      }),
    },
  ];
}
