"""Other systems that get data about a training: MLflow, Airflow's statistics, TensorBoard."""
