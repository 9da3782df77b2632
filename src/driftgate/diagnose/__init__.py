"""What is asked after a red cell. (The room is empty until the first question has an answer.)"""
