"""Development instances: the parts of `image_builder.develop_blueprint`, and its tasks."""
