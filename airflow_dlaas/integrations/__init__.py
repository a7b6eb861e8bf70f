"""Other systems that receive data about a training: MLflow, Airflow's statistics, TensorBoard."""
