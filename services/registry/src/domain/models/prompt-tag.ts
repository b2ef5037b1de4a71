/** MLflow 3 keeps prompts among the registered models, marked by this tag on the model and on each version. */
export const PROMPT_TAG = 'mlflow.prompt.is_prompt';
